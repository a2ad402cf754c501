"""What a read model is made of: name, version, schema, and a fold from events to statements."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import ClassVar, Final, Protocol

import attrs
import orjson

from codara.events.base import PayloadRef, Recorded, Sealed

Value = str | int | float | None
Statement = tuple[str, Sequence[Value]]

Timestamp = str
"""A time as rows hold it: ISO 8601 text in UTC."""


class NotYet(Enum):
    """Stands for what nobody can know so far; None says that there is nothing to know."""

    NOT_YET = "not yet"


NOT_YET: Final = NotYet.NOT_YET


class Projection(Protocol):
    """One read model.

    `apply` is deterministic: it sees the event and nothing else, so that rows folded twice are the
    same rows, byte for byte. `version` rises when `apply` changes its meaning; a changed `schema`
    is noticed by itself. Only events whose name is in `topics` are handed over. The first column
    of every table is its key.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    topics: ClassVar[frozenset[str]]
    schema: ClassVar[str]

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        """Returns the statements that fold one event, in their order."""


class ReadableLog(Protocol):
    """What read models need of the event log."""

    @property
    def log_id(self) -> str: ...

    def head(self) -> int: ...

    async def read(
        self, after: int, *, limit: int = ..., until: int | None = ..., sealed: bool = ...
    ) -> list[Recorded]: ...

    async def wait_past(self, position: int) -> None: ...

    def open_value(self, sealed: Sealed) -> object: ...

    async def open_payload(self, ref: PayloadRef) -> bytes: ...


@lru_cache(maxsize=2_048)
def moment(at: datetime) -> Timestamp:
    """Writes a time as text that sorts as the times do: UTC, always with microseconds."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")


def moment_or_none(at: datetime | None) -> Timestamp | None:
    """Writes a time that may be missing the same way."""
    return None if at is None else moment(at)


def sealed(value: object) -> str | None:
    """Writes a private field as a view stores it: sealed, or None if it was empty.

    TypeError if it is neither: plain private text never gets into a view.
    """
    if isinstance(value, Sealed):
        return str(value)
    if value:
        raise TypeError("a private field arrived unsealed")
    return None


def as_json(value: object) -> str:
    """Writes public values as JSON; frozen attrs values become objects."""
    return orjson.dumps(value, default=_fields).decode()


def _fields(value: object) -> dict[str, object]:
    names = _names(type(value))  # type: ignore[arg-type]  # a class is hashable
    return {name: getattr(value, name) for name in names}


@lru_cache
def _names(kind: type[attrs.AttrsInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind))
