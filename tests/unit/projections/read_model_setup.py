"""What the tests of read models write to the log, and how they ask."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from codara.events import streams
from codara.events.base import Append, Cause, Event, Recorded, Sealed
from codara.events.store.log import EventLog
from codara.projections.engine.base import Projection
from codara.projections.views import PROJECTIONS, Views
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing

SESSION = streams.session(event_examples.SESSION)
WORKSPACE = streams.workspace(event_examples.WORKSPACE)
ACCOUNT = streams.account(event_examples.ACCOUNT)
USER = streams.user(event_examples.USER)
KEY = streams.key("f" * 64)
JAIL = streams.jail(event_examples.JAIL)

Facts = Mapping[str, Sequence[Event]]


class World:
    """A log and the views over it; `happen` returns once the views have seen it."""

    def __init__(
        self, folder: Path, log: EventLog, views: Views, keys: FakeKeyRing, clock: FixedClock
    ) -> None:
        self.folder = folder
        self.log = log
        self.views = views
        self.keys = keys
        self.clock = clock
        self._versions: Counter[str] = Counter()

    async def happen(self, *facts: Facts, actor: str = f"user:{event_examples.USER}") -> int:
        position = await self.write(*facts, actor=actor)
        await self.views.wait_for(position, 10)
        return position

    async def write(self, *facts: Facts, actor: str = f"user:{event_examples.USER}") -> int:
        cause = Cause(actor=actor, correlation_id="trc_1", causation_id="evt_0")
        position = self.log.head()
        for fact in facts:
            appends = [
                Append(stream, self._versions[stream], list(events))
                for stream, events in fact.items()
            ]
            for append in appends:
                self._versions[append.stream] += len(append.events)
            position = await self.log.append(appends, cause)
        return position

    async def reopen(self, projections: Sequence[Projection] = PROJECTIONS) -> None:
        await self.views.close()
        self.views = await Views.open(
            self.folder, self.log, clock=self.clock, projections=projections
        )
        await self.views.start()

    async def everything(self) -> dict[str, Any]:
        """All listings, whole."""
        views = self.views
        asked = (views.sessions, views.tasks, views.workspaces, views.accounts, views.users)
        named = {type(view).__name__: (await view.list()).items for view in asked}
        return named | {"Audit": (await views.audit.list(limit=200)).items}


def requested(turn_id: str = event_examples.TURN, **changes: Any) -> Facts:
    """The append that admits a turn; the session is opened by the first."""
    opened = [event_examples.session_opened()] if turn_id == event_examples.TURN else []
    changes = {"prompt_payload": None, "turn_id": turn_id, **changes}
    return {
        SESSION: [*opened, event_examples.turn_requested(**changes)],
        streams.request(f"req_{turn_id}"): [event_examples.request_accepted(turn_id=turn_id)],
    }


def started(turn_id: str = event_examples.TURN) -> Facts:
    return {
        SESSION: [event_examples.turn_started(turn_id=turn_id)],
        WORKSPACE: [event_examples.workspace_locked(holder=event_examples.turn_holder(turn_id))],
    }


def ended(event: Event) -> Facts:
    """The append that ends a turn which changed one file."""
    turn_id = event.turn_id  # type: ignore[attr-defined]
    diff = event_examples.diff_recorded(turn_id=turn_id, patch_payload=None)
    return {
        SESSION: [event],
        WORKSPACE: [
            diff,
            event_examples.workspace_unlocked(holder=event_examples.turn_holder(turn_id)),
        ],
    }


def completed(turn_id: str = event_examples.TURN) -> Facts:
    return ended(event_examples.turn_completed(turn_id=turn_id, answer_payload=None))


def failed(turn_id: str = event_examples.TURN, **changes: Any) -> Facts:
    return ended(event_examples.turn_failed(turn_id=turn_id, **changes))


PLACE: Facts = {WORKSPACE: [event_examples.workspace_provisioned()]}


def sealed(event: Event, event_id: str) -> Event:
    """The event as a projection gets to see it."""
    boxes = {
        field.name: Sealed("dk_1", event_id, f"{event.name}.{field.name}", "Ym94")
        for field in attrs.fields(type(event))
        if field.metadata.get("private")
    }
    return attrs.evolve(event, **boxes) if boxes else event


def as_read(stream: str, event: Event, position: int) -> Recorded:
    """The event as the log hands it to projections."""
    event_id = f"evt_{position}"
    return event_examples.recorded(sealed(event, event_id), position=position, stream=stream)
