"""The parts of every fact: the event, its envelope, and the fields that are stored sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import attrs

GATEWAY_SUBJECT = "gateway"


@attrs.frozen(kw_only=True)
class Event:
    """A fact, stored under `name`, which never changes; `version` rises when the shape changes.

    Private fields are sealed under the data key of `subject`: the user whom the fact concerns, or
    the gateway itself if the fact concerns no user.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """Returns whose data key seals the private fields: a user's id, or `gateway`."""
        return str(getattr(self, "user_id", GATEWAY_SUBJECT))


@attrs.frozen(kw_only=True)
class Unknown(Event):
    """A fact that this version of Codara does not know; readers of the log pass over it.

    `stored_name` and `stored_version` are what the log says. `fields` maps each field's name to its
    JSON value; private values stay `Sealed`. An `Unknown` is never appended.
    """

    name: ClassVar[str] = "unknown"
    stored_name: str
    stored_version: int
    fields: dict[str, Any]


def private(**options: Any) -> Any:
    """Returns an attrs field for what a user wrote, or names their things; it is stored sealed."""
    return attrs.field(metadata={"private": True}, **options)


@attrs.frozen(kw_only=True)
class Metadata:
    """The envelope of an event: who did it, when (aware, in UTC), and what it follows from.

    `actor` is `user:<id>`, `operator:<id>`, `system:<part>` or `cli`. `correlation_id` is the trace
    of the request; `causation_id` is the request, or the event, that this one follows from.
    """

    event_id: str
    at: datetime
    actor: str
    correlation_id: str
    causation_id: str | None = None


@attrs.frozen(kw_only=True)
class Cause:
    """What an envelope is made from: the actor, and the chain that the new facts belong to."""

    actor: str
    correlation_id: str
    causation_id: str | None = None


@attrs.frozen(kw_only=True)
class PayloadRef:
    """A reference to something larger than a few KiB: `digest` is the SHA-256 of its sealed bytes.

    `size` counts the plain bytes; `key_id` names the data key.
    """

    payload_id: str
    digest: str
    size: int
    key_id: str


@attrs.frozen
class Sealed:
    """A private value that nobody has opened. Projections get it, and may store it.

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
        """Returns the value that `str` wrote; ValueError if the text is something else."""
        mark, key_id, event_id, kind, box = text.split(":", 4)
        if mark != "sealed":
            raise ValueError("not a sealed value")
        return cls(key_id, event_id, kind, box)


@attrs.frozen(kw_only=True)
class Recorded:
    """An event in the log, with its position there, its stream and its version in that stream."""

    position: int
    stream: str
    version: int
    event: Event
    metadata: Metadata


@attrs.frozen
class Append:
    """New facts for one stream, which must be at version `expected` (0: it does not exist yet)."""

    stream: str
    expected: int
    events: Sequence[Event]
