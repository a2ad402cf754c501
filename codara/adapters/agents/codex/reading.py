"""What is known of a codex turn so far: the state into which the lines are folded."""

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import attrs

from codara.adapters.agents.session import ratelimits
from codara.adapters.agents.session.counts import TokenCounts
from codara.application.ports.frames import (
    Frame,
    ReasoningDelta,
    Reports,
    TextDelta,
    UsageSeen,
    WindowSeen,
)

_BETWEEN_MESSAGES = "\n\n"
_BETWEEN_THOUGHTS = "\n"
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


def server_tokens(found: Mapping[str, Any]) -> TokenCounts:
    """Counts as the app-server words them."""
    return _tokens(found, _SERVER_NAMES)


def exec_tokens(found: Mapping[str, Any]) -> TokenCounts:
    """Counts as `exec` and the rollouts word them."""
    return _tokens(found, _EXEC_NAMES)


def _tokens(found: Mapping[str, Any], names: Iterable[str]) -> TokenCounts:
    return TokenCounts(*(int(found.get(name) or 0) for name in names))


@attrs.frozen
class CodexEnded:
    """The agent's own word on how the turn ended: completed, failed or interrupted."""

    status: str
    message: str = ""
    cause: str | None = None


@attrs.frozen
class Said:
    """How much of a text was passed on, and its check sum: the text itself may grow long.

    `trimmed` is the same of what remains without the white space at its end.
    """

    length: int = 0
    digest: int = 0
    trimmed: tuple[int, int] = (0, 0)

    def plus(self, text: str) -> "Said":
        shown = text.rstrip()
        trimmed = self._moved(shown) if shown else self.trimmed
        return Said(*self._moved(text), trimmed)

    def begins(self, whole: str) -> bool:
        """Says whether it is how that text begins."""
        return Said()._moved(whole[: self.length]) == (self.length, self.digest)

    def shows(self, whole: str) -> bool:
        """Says whether it is that text but for white space at the end."""
        return Said()._moved(whole.rstrip()) == self.trimmed

    def _moved(self, text: str) -> tuple[int, int]:
        digest = crc32(text.encode("utf-8", "surrogatepass"), self.digest)
        return self.length + len(text), digest


_NOTHING = Said()
_TEXT = "text"


@attrs.frozen(kw_only=True)
class CodexReading:
    """One turn as it was read so far.

    `total` is the thread's token count where it is known, None after a resume by a new process, and
    `used` what this turn took of it. `helpers` are the counts of the sub-agents' threads as they
    were told last, None before that, and `helped` what those took in this turn.
    `said` is what was passed on, by item and part of it. `open` are the messages that began and did
    not end; `torn` turns true once an item ends as another text than the one that was passed on.
    `running` holds the tools that began and did not end; `heard` turns true with the first output,
    `answered` with a message that is whole or whatever else the model does besides thinking.
    """

    thread_id: str | None = None
    turn_id: str | None = None
    total: TokenCounts | None = None
    used: TokenCounts = attrs.field(factory=TokenCounts)
    helpers: Mapping[str, TokenCounts | None] = attrs.field(factory=dict)
    helped: TokenCounts = attrs.field(factory=TokenCounts)
    reports: Reports = attrs.field(factory=Reports)
    said: Mapping[tuple[str, str], Said] = attrs.field(factory=dict)
    open: frozenset[str] = frozenset()
    torn: bool = False
    speaking: str | None = None
    running: frozenset[str] = frozenset()
    heard: bool = False
    answered: bool = False
    windows: tuple[WindowSeen, ...] = ()
    ended: CodexEnded | None = None


Read = tuple[CodexReading, tuple[Frame, ...]]


def begin(reading: CodexReading, item_id: str) -> CodexReading:
    """The message `item_id` is under way; an id that ended may be used once more."""
    if item_id in reading.open:
        return reading
    return attrs.evolve(said_again(reading, item_id), open=reading.open | {item_id})


def said_again(reading: CodexReading, item_id: str) -> CodexReading:
    """Forgets what was said of an item, which codex says once more from its beginning."""
    said = {place: each for place, each in reading.said.items() if place[0] != item_id}
    return attrs.evolve(reading, said=said)


def speak(reading: CodexReading, item_id: str, text: str) -> Read:
    """A piece of the message `item_id`; an empty line sets one message off from the next."""
    if not text:
        return reading, ()
    apart = reading.speaking not in (None, item_id)
    frames = (TextDelta(_BETWEEN_MESSAGES + text if apart else text),)
    return attrs.evolve(_noted(reading, item_id, _TEXT, text), speaking=item_id), frames


def finish(reading: CodexReading, item_id: str, whole: str) -> Read:
    """The message `item_id` is whole: what was not said of it is said now.

    White space at its end may be gone.
    """
    after = attrs.evolve(reading, open=reading.open - {item_id}, answered=True)
    said = reading.said.get((item_id, _TEXT), _NOTHING)
    if said.begins(whole):
        return speak(after, item_id, whole[said.length :])
    return attrs.evolve(after, torn=after.torn or not said.shows(whole)), ()


def think(
    reading: CodexReading, item_id: str, part: str, text: str, *, apart: bool = False
) -> Read:
    """A piece of a part of the reasoning `item_id`, on a line of its own where it is `apart`."""
    if not text:
        return reading, ()
    frame = ReasoningDelta(_BETWEEN_THOUGHTS + text if apart else text)
    return _noted(reading, item_id, part, text), (frame,)


def conclude(reading: CodexReading, item_id: str, parts: Iterable[tuple[str, str]]) -> Read:
    """The reasoning `item_id` is whole, part by part.

    A part may be hidden once it was said, or worded differently: what was said of it then stays.
    """
    frames: list[Frame] = []
    for at, (part, whole) in enumerate(parts):
        said = reading.said.get((item_id, part), _NOTHING)
        if not said.begins(whole):
            continue
        apart = at > 0 and said == _NOTHING
        reading, found = think(reading, item_id, part, whole[said.length :], apart=apart)
        frames.extend(found)
    return reading, tuple(frames)


def _noted(reading: CodexReading, item_id: str, part: str, text: str) -> CodexReading:
    place = item_id, part
    said = {**reading.said, place: reading.said.get(place, _NOTHING).plus(text)}
    return attrs.evolve(reading, said=said, heard=True)


def count(
    reading: CodexReading, total: TokenCounts, last: TokenCounts | None, raw: Mapping[str, Any]
) -> Read:
    """The thread's count moved on: what this turn used is the sum of the steps.

    codex repeats its last report when a request fails, so without a known start the size of the
    last request only counts once the agent was heard in this turn.
    """
    if reading.total is not None:
        grown = total.since(reading.total)
    else:
        grown = last if last is not None and reading.heard else TokenCounts()
    after = attrs.evolve(reading, total=total, used=reading.used.plus(grown))
    return (after, ()) if after.used == reading.used else _told(after, raw)


def attend(reading: CodexReading, thread_id: str) -> CodexReading:
    """A turn of another thread begins within this one: that thread is a sub-agent's."""
    helpers = {**reading.helpers, thread_id: reading.helpers.get(thread_id)}
    return attrs.evolve(reading, helpers=helpers)


def count_helper(
    reading: CodexReading,
    thread_id: str,
    total: TokenCounts,
    last: TokenCounts,
    raw: Mapping[str, Any],
) -> Read:
    """A sub-agent's count moved on; the first that is heard of it is of its last request.

    What is still told of an earlier turn's thread is no sub-agent's and counts nothing.
    """
    if thread_id not in reading.helpers:
        return reading, ()
    known = reading.helpers[thread_id]
    grown = last if known is None else total.since(known)
    helpers = {**reading.helpers, thread_id: total}
    after = attrs.evolve(reading, helpers=helpers, helped=reading.helped.plus(grown))
    return (after, ()) if after.helped == reading.helped else _told(after, raw)


def settle(reading: CodexReading, written: TokenCounts, raw: Mapping[str, Any]) -> Read:
    """What codex wrote down of the turn holds where it said less of it."""
    if written.input + written.output <= reading.used.input + reading.used.output:
        return reading, ()
    return _told(attrs.evolve(reading, used=written), raw)


def _told(reading: CodexReading, raw: Mapping[str, Any]) -> Read:
    reports = reading.reports.plus(raw)
    tokens = attrs.asdict(reading.used.plus(reading.helped))
    return attrs.evolve(reading, reports=reports), (UsageSeen(**tokens, raw=reports),)


def window(name: str, found: Mapping[str, Any] | None) -> WindowSeen | None:
    """Returns a quota window of codex; None where the server told nothing.

    A value that cannot be right is left out: a reset a thousand years from now, a text.
    """
    if not found:
        return None
    used = ratelimits.number(str(found.get("usedPercent")))
    minutes = ratelimits.number(str(found.get("windowDurationMins")))
    at = ratelimits.moment(str(found.get("resetsAt")))
    return WindowSeen(name, used, None if minutes is None else int(minutes), at)
