"""What is known of a claude turn so far: the state into which the lines are folded."""

from collections.abc import Mapping
from typing import Any

import attrs

from codara.application.ports.frames import Frame, ReasoningDelta, TextDelta, UsageSeen

CUT_SHORT = "max_tokens"
"""How a message stops whose rest claude asks for at once."""

_BETWEEN_MESSAGES = "\n\n"


@attrs.frozen
class Ended:
    """The agent's own word on how the turn ended: completed, failed or interrupted."""

    status: str
    message: str = ""
    cause: str | None = None
    stop: str | None = None
    """Of a turn that is completed, the model's own word on why its answer ended."""


@attrs.frozen(kw_only=True)
class Reading:
    """One turn as it was read so far.

    `open` is the message that is being streamed and has not been said to be whole. `running` holds
    the tools that began and did not end. `stop` is why the last message that was streamed ended.
    `cost` is the process's cumulative one before the turn.
    """

    thread_id: str | None = None
    open: str | None = None
    broken: bool = False
    streamed: frozenset[str] = frozenset()
    speaking: str | None = None
    answered: bool = False
    running: frozenset[str] = frozenset()
    stop: str | None = None
    retries: int = 0
    error: str = ""
    used: UsageSeen | None = None
    cost: float = 0.0
    ended: Ended | None = None


Read = tuple[Reading, tuple[Frame, ...]]


def speak(reading: Reading, message_id: str, text: str) -> Read:
    """A piece of a message; an empty line sets it off from the one before, unless that was cut."""
    if not text:
        return reading, ()
    apart = reading.speaking not in (None, message_id) and reading.stop != CUT_SHORT
    after = attrs.evolve(reading, speaking=message_id)
    return after, (TextDelta(_BETWEEN_MESSAGES + text if apart else text),)


def think(reading: Reading, text: str) -> Read:
    """A piece of the reasoning."""
    return reading, (ReasoningDelta(text),) if text else ()


def usage_of(found: Mapping[str, Any], raw: Mapping[str, Any]) -> UsageSeen:
    """claude leaves cached tokens out of its input; ours has all of them in."""
    fresh, cached, written = (
        int(found.get(name) or 0)
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return UsageSeen(
        input=fresh + cached + written,
        cached=cached,
        cache_write=written,
        output=int(found.get("output_tokens") or 0),
        reasoning=0,
        raw=raw,
    )
