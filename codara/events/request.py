"""Facts of a request: what became of it, and why."""

from typing import ClassVar

import attrs

from codara.events.base import Event, private


@attrs.frozen(kw_only=True)
class RequestAccepted(Event):
    name: ClassVar[str] = "request.accepted"
    request_id: str
    user_id: str
    key_id: str | None
    turn_id: str
    session_id: str
    trace_id: str
    stream: bool


@attrs.frozen(kw_only=True)
class RequestRefused(Event):
    name: ClassVar[str] = "request.refused"
    request_id: str
    user_id: str
    key_id: str | None
    code: str
    param: str | None = None
    retry_after: float | None = None
    evidence: dict[str, str] = attrs.field(factory=dict)
    """What the refusal was decided on: limits, holders and counts, as ids and numbers only."""
    message: str = private()
    detail: str = private(default="")
    """What operators see besides the message."""


@attrs.frozen(kw_only=True)
class RequestAnswered(Event):
    """The request got the recorded answer of a turn that another request had started."""

    name: ClassVar[str] = "request.answered"
    request_id: str
    user_id: str
    turn_id: str
