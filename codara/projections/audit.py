"""The audit trail: who did what to what, when, and what it followed from."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import attrs
import orjson

from codara.events.base import Recorded
from codara.events.idempotency import IdempotencyClaimed, IdempotencyFreed
from codara.events.lease import LeaseReleased, LeaseTaken
from codara.events.name import NameClaimed, NameFreed
from codara.events.registry import CATALOGUE
from codara.events.workspace import Holder
from codara.projections.engine.base import Statement, Timestamp, as_json, moment
from codara.projections.engine.queries import Condition, Page, Reader, Row, between, equal, matching

BOOKKEEPING = frozenset(
    event.name
    for event in (
        LeaseTaken,
        LeaseReleased,
        NameClaimed,
        NameFreed,
        IdempotencyClaimed,
        IdempotencyFreed,
    )
)
"""Events that only keep writers apart; the facts written with them tell their purpose."""

_PUBLIC = {
    event.name: tuple(
        field.name for field in attrs.fields(event) if not field.metadata.get("private")
    )
    for event in CATALOGUE
}
_IDS = {
    name: tuple(field for field in fields if field.endswith("_id"))
    for name, fields in _PUBLIC.items()
}
_INSERT = """
INSERT INTO audit (position, event_id, at, actor, action, target_type, target_id, task_id, ids,
    correlation_id, causation_id, details)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class AuditProjection:
    """One row for each event, with its public fields; private ones stay in the log."""

    name: ClassVar[str] = "audit"
    version: ClassVar[int] = 2
    topics: ClassVar[frozenset[str]] = frozenset(event.name for event in CATALOGUE) - BOOKKEEPING
    schema: ClassVar[str] = """
    CREATE TABLE audit (
        position INTEGER PRIMARY KEY, event_id TEXT NOT NULL, at TEXT NOT NULL,
        actor TEXT NOT NULL, action TEXT NOT NULL, target_type TEXT NOT NULL,
        target_id TEXT NOT NULL, task_id TEXT, ids TEXT NOT NULL, correlation_id TEXT NOT NULL,
        causation_id TEXT, details TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_of_target ON audit (target_id);
    CREATE INDEX audit_of_action ON audit (action);
    CREATE INDEX audit_of_task ON audit (task_id) WHERE task_id IS NOT NULL;
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, envelope = recorded.event, recorded.metadata
        details = {name: getattr(event, name) for name in _PUBLIC[event.name]}
        target_type, target_id = _target(recorded.stream, details)
        ids = [str(details[name]) for name in _IDS[event.name] if details[name]]
        held_by = details.get("holder")
        if isinstance(held_by, Holder):
            ids.append(held_by.id)
        row = (
            recorded.position,
            envelope.event_id,
            moment(envelope.at),
            envelope.actor,
            event.name,
            target_type,
            target_id,
            details.get("turn_id") or _turn_of(held_by),
            " ".join((envelope.actor, target_type, target_id, envelope.event_id, *ids)),
            envelope.correlation_id,
            envelope.causation_id,
            as_json(details),
        )
        return ((_INSERT, row),)


def _turn_of(holder: object) -> str | None:
    return holder.id if isinstance(holder, Holder) and holder.kind == "turn" else None


def _target(stream: str, details: dict[str, object]) -> tuple[str, str]:
    kind, _, rest = stream.partition("/")
    match kind:
        case "key":
            return kind, str(details["key_id"])
        case "quota":
            return "account", rest
        case "gateway" | "log":
            return kind, str(details.get(f"{kind}_id", ""))
        case _:
            return kind, rest


TARGETS = (
    "account",
    "gateway",
    "idempotency",
    "jail",
    "key",
    "lease",
    "log",
    "name",
    "operator",
    "request",
    "session",
    "task",
    "token",
    "user",
    "workspace",
)
"""The kinds of things that something is done to: those of the streams, and `task`."""

_LISTED = """
position, event_id, at, actor, action, target_type, target_id, task_id, correlation_id,
causation_id, details FROM audit
"""


@attrs.frozen(kw_only=True)
class AuditRow:
    """An event as the trail shows it."""

    position: int
    """The position of the event in the log."""
    event_id: str
    at: Timestamp
    actor: str
    """Who did it, such as `user:usr_1`."""
    action: str
    """The event's name."""
    target_type: str
    """What it was done to: the kind of the event's stream; `account` if it is about a quota."""
    target_id: str
    task_id: str | None
    """The turn in which it happened."""
    correlation_id: str
    """The trace of the request from which it follows."""
    causation_id: str | None
    details: Mapping[str, Any]
    """The event's public fields by name; times are text."""
    user_id: str | None
    """This and the following fields are taken from the details; None if they lack the field."""
    session_id: str | None
    workspace_id: str | None
    account_id: str | None
    request_id: str | None

    @classmethod
    def of(cls, row: Row) -> "AuditRow":
        """Makes an entry from its columns."""
        details = orjson.loads(row["details"])
        return cls(
            position=row["position"],
            event_id=row["event_id"],
            at=row["at"],
            actor=row["actor"],
            action=row["action"],
            target_type=row["target_type"],
            target_id=row["target_id"],
            task_id=row["task_id"],
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
            details=details,
            user_id=details.get("user_id"),
            session_id=details.get("session_id"),
            workspace_id=details.get("workspace_id"),
            account_id=details.get("account_id"),
            request_id=details.get("request_id"),
        )


@attrs.frozen
class Audit:
    """Queries for the audit trail."""

    reader: Reader

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        target_type: str | None = None,
        target_id: str | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        search: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[AuditRow]:
        """Returns a page of the trail, newest first.

        `action` is an event's name; an unknown one finds nothing. `target_type` `task` means what
        happened in a turn, whatever its stream, with a task's id as `target_id`. `search` finds
        text in the actor, the target and every id of the event.
        """
        conditions = [
            *equal(actor=actor, action=action, correlation_id=correlation_id),
            *_of_type(target_type),
            *_of_target(target_id),
            *matching("ids", user_id),
            *matching("ids", search),
            *between("at", since, until),
        ]
        page = await self.reader.page(
            _LISTED, conditions, key="position", limit=limit, cursor=cursor
        )
        return page.of(AuditRow.of)

    async def get(self, event_id: str) -> AuditRow | None:
        """Returns one event of the trail; None if it does not exist."""
        row = await self.reader.row(f"SELECT {_LISTED} WHERE event_id = ?", (event_id,))
        return None if row is None else AuditRow.of(row)

    async def actions(self) -> Sequence[str]:
        """Returns every action that has happened, sorted."""
        rows = await self.reader.rows("SELECT DISTINCT action FROM audit ORDER BY action")
        return [row["action"] for row in rows]


def _of_type(target_type: str | None) -> list[Condition]:
    if target_type == "task":
        return [("task_id IS NOT NULL", ())]
    return equal(target_type=target_type)


def _of_target(target_id: str | None) -> list[Condition]:
    if target_id is None:
        return []
    return [("target_id = ? OR task_id = ?", (target_id, target_id))]
