"""What is known of a codex turn so far: the state into which the lines are folded."""

from collections.abc import Mapping
from typing import Any

import attrs

from codara.adapters.agents import ratelimits
from codara.application.ports.frames import Frame, ReasoningDelta, TextDelta, UsageSeen, WindowSeen

_BETWEEN_MESSAGES = "\n\n"


@attrs.frozen
class Tokens:
    """Counts as codex reports them, over the whole thread."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def since(self, earlier: "Tokens") -> "Tokens":
        """The growth; a count that shrank (the thread was compacted) has grown by nothing."""
        return self._each(earlier, lambda now, before: max(0, now - before))

    def plus(self, other: "Tokens") -> "Tokens":
        return self._each(other, lambda one, two: one + two)

    def _each(self, other: "Tokens", combine: Any) -> "Tokens":
        mine, theirs = attrs.astuple(self), attrs.astuple(other)
        return Tokens(*(combine(one, two) for one, two in zip(mine, theirs, strict=True)))


@attrs.frozen
class Ended:
    """The agent's own word on how the turn ended: completed, failed or interrupted."""

    status: str
    message: str = ""
    cause: str | None = None


@attrs.frozen(kw_only=True)
class Reading:
    """One turn as it was read so far.

    `total` is the thread's token count where it is known, None after a resume by a new process.
    `running` holds the tools that began and did not end; `heard` turns true with the first output.
    """

    thread_id: str | None = None
    turn_id: str | None = None
    total: Tokens | None = None
    used: Tokens = Tokens()
    spoken: frozenset[str] = frozenset()
    speaking: str | None = None
    running: frozenset[str] = frozenset()
    heard: bool = False
    windows: tuple[WindowSeen, ...] = ()
    ended: Ended | None = None


Read = tuple[Reading, tuple[Frame, ...]]


def speak(reading: Reading, item_id: str, text: str) -> Read:
    """A piece of the message `item_id`; an empty line sets one message off from the next."""
    if not text:
        return reading, ()
    apart = reading.speaking not in (None, item_id)
    frames = (TextDelta(_BETWEEN_MESSAGES + text if apart else text),)
    spoken = reading.spoken | {item_id}
    return attrs.evolve(reading, spoken=spoken, speaking=item_id, heard=True), frames


def think(reading: Reading, item_id: str, text: str) -> Read:
    """A piece of the reasoning `item_id`."""
    if not text:
        return reading, ()
    spoken = reading.spoken | {item_id}
    return attrs.evolve(reading, spoken=spoken, heard=True), (ReasoningDelta(text),)


def count(reading: Reading, total: Tokens, last: Tokens | None, raw: Mapping[str, Any]) -> Read:
    """The thread's count moved on: what this turn used is the sum of the steps.

    codex repeats its last report when a request fails, so without a known start the size of the
    last request only counts once the agent was heard in this turn.
    """
    if reading.total is not None:
        grown = total.since(reading.total)
    else:
        grown = last if last is not None and reading.heard else Tokens()
    used = reading.used.plus(grown)
    after = attrs.evolve(reading, total=total, used=used)
    if used == reading.used:
        return after, ()
    return after, (UsageSeen(**attrs.asdict(used), raw=raw),)


def window(name: str, found: Mapping[str, Any] | None) -> WindowSeen | None:
    """A quota window of codex; None where the server told nothing."""
    if not found:
        return None
    resets = found.get("resetsAt")
    at = ratelimits.moment(str(resets)) if isinstance(resets, int | float) else None
    return WindowSeen(name, found.get("usedPercent"), found.get("windowDurationMins"), at)
