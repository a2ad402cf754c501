"""What is known of a codex turn so far: the state into which the lines are folded."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from codara.adapters.agents import ratelimits
from codara.application.ports.frames import (
    Frame,
    ReasoningDelta,
    Reports,
    TextDelta,
    UsageSeen,
    WindowSeen,
)

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


_SERVER_NAMES = (
    "inputTokens",
    "cachedInputTokens",
    "cacheWriteInputTokens",
    "outputTokens",
    "reasoningOutputTokens",
)
_EXEC_NAMES = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)


def server_tokens(found: Mapping[str, Any]) -> Tokens:
    """Counts as the app-server words them."""
    return _tokens(found, _SERVER_NAMES)


def exec_tokens(found: Mapping[str, Any]) -> Tokens:
    """Counts as `exec` and the rollouts word them."""
    return _tokens(found, _EXEC_NAMES)


def _tokens(found: Mapping[str, Any], names: Iterable[str]) -> Tokens:
    return Tokens(*(int(found.get(name) or 0) for name in names))


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
    reports: Reports = attrs.field(factory=Reports)
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
    after = attrs.evolve(reading, total=total)
    return (after, ()) if used == reading.used else _used(after, used, raw)


def settle(reading: Reading, written: Tokens, raw: Mapping[str, Any]) -> Read:
    """What codex wrote down of the turn holds where it said less of it."""
    if written.input + written.output <= reading.used.input + reading.used.output:
        return reading, ()
    return _used(reading, written, raw)


def _used(reading: Reading, used: Tokens, raw: Mapping[str, Any]) -> Read:
    reports = reading.reports.plus(raw)
    after = attrs.evolve(reading, used=used, reports=reports)
    return after, (UsageSeen(**attrs.asdict(used), raw=reports),)


def window(name: str, found: Mapping[str, Any] | None) -> WindowSeen | None:
    """A quota window of codex; None where the server told nothing.

    A number that cannot be meant is none: a reset a thousand years from now, a text.
    """
    if not found:
        return None
    used = ratelimits.number(str(found.get("usedPercent")))
    minutes = ratelimits.number(str(found.get("windowDurationMins")))
    at = ratelimits.moment(str(found.get("resetsAt")))
    return WindowSeen(name, used, None if minutes is None else int(minutes), at)
