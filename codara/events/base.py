"""What every fact is made of: the event, its envelope, and fields that must be sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import attrs

GATEWAY_SUBJECT = "gateway"


@attrs.frozen(kw_only=True)
class Event:
    """A fact. `name` is stored and never changes; `version` rises when the shape changes.

    Private fields are sealed under the data key of `subject`: the user the fact concerns, or the
    gateway itself where it concerns none.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """Whose data key seals the private fields."""
        return str(getattr(self, "user_id", GATEWAY_SUBJECT))


@attrs.frozen(kw_only=True)
class Unknown(Event):
    """A fact that this version of Codara does not know; whoever reads the log passes it over.

    `stored_name` and `stored_version` are what the log says; `fields` are JSON values, private
    ones as `Sealed`. It is never appended.
    """

    name: ClassVar[str] = "unknown"
    stored_name: str
    stored_version: int
    fields: dict[str, Any]


def private(**options: Any) -> Any:
    """An attrs field holding what a user wrote, or what names their things: it is stored sealed."""
    return attrs.field(metadata={"private": True}, **options)


@attrs.frozen(kw_only=True)
class Metadata:
    """The envelope: who did it, when, and what it follows from."""

    event_id: str
    at: datetime
    actor: str
    correlation_id: str
    causation_id: str | None = None


@attrs.frozen(kw_only=True)
class Cause:
    """From which an envelope is made: the actor, and the chain the new facts belong to."""

    actor: str
    correlation_id: str
    causation_id: str | None = None


@attrs.frozen(kw_only=True)
class PayloadRef:
    """Where something larger than a few KiB is kept: `digest` is SHA-256 of the sealed bytes.

    `size` counts the plain bytes.
    """

    payload_id: str
    digest: str
    size: int
    key_id: str


@attrs.frozen
class Sealed:
    """A private value that nobody has opened: what a projection gets to see, and may store.

    `str(sealed)` is one line of text from which `Sealed.parse` makes the same value again.
    """

    key_id: str
    event_id: str
    kind: str
    box: str

    def __str__(self) -> str:
        return f"sealed:{self.key_id}:{self.event_id}:{self.kind}:{self.box}"

    @classmethod
    def parse(cls, text: str) -> "Sealed":
        """Reads what `str` wrote; ValueError if it is something else."""
        mark, key_id, event_id, kind, box = text.split(":", 4)
        if mark != "sealed":
            raise ValueError("not a sealed value")
        return cls(key_id, event_id, kind, box)


@attrs.frozen(kw_only=True)
class Recorded:
    """An event in the log: where it stands, and what it says."""

    position: int
    stream: str
    version: int
    event: Event
    metadata: Metadata


@attrs.frozen
class Append:
    """New facts for one stream, right if the stream is at `expected` (0: it does not exist)."""

    stream: str
    expected: int
    events: Sequence[Event]
