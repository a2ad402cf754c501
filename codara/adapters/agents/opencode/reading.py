"""What is known of an opencode turn so far: the state into which its events are folded."""

from collections.abc import Mapping
from typing import Any

import attrs

from codara.adapters.agents.opencode.causes import Retry
from codara.adapters.agents.session.counts import TokenCounts
from codara.application.ports.frames import Frame, ReasoningDelta, Reports, TextDelta, UsageSeen

_BETWEEN_PARTS = "\n\n"
_REASONS = frozenset({"stop", "tool-calls", "length", "content-filter"})
_NO_END = "the model's answer broke off: it came to no end"


@attrs.frozen
class Failure:
    """An error that opencode reported; nothing it says afterwards is an answer."""

    cause: str
    message: str


@attrs.frozen(kw_only=True)
class OpenCodeReading:
    """One turn as it was read so far.

    Messages made before `since` (ms since the epoch) belong to earlier turns. `speakers` are the
    assistant's messages whose words are the answer, `workers` those of sub-agents too. `said` has
    the length of what was passed on, by part. `spoke` is true once the present step has said or
    done something. `closed` are the messages that are whole, `finish` is the agent's own word on
    the last one; `answered` is true once it has said that it is done. `fault` is the error that a
    message bears: an event shows its message as it is when the event is sent, so both this and
    `closed` may be known before the words that came first. `stepping` is true while a step is
    under way whose tools are told of only when they have finished. `mark` is the session's last
    message.
    """

    session_id: str | None = None
    since: int = 0
    speakers: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    thoughts: frozenset[str] = frozenset()
    said: Mapping[str, int] = attrs.field(factory=dict)
    speaking: str | None = None
    begun: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    used: TokenCounts = attrs.field(factory=TokenCounts)
    reports: Reports = attrs.field(factory=Reports)
    spoke: bool = False
    retry: Retry | None = None
    failure: Failure | None = None
    fault: Failure | None = None
    closed: frozenset[str] = frozenset()
    finish: str | None = None
    answered: bool = False
    stepping: bool = False
    mark: str | None = None


Read = tuple[OpenCodeReading, tuple[Frame, ...]]


def speak(reading: OpenCodeReading, part_id: str, text: str) -> Read:
    """Returns a piece of a text or of reasoning; an empty line sets one text off from the next."""
    if not text or reading.failure is not None:
        return reading, ()
    said = {**reading.said, part_id: reading.said.get(part_id, 0) + len(text)}
    after = attrs.evolve(reading, said=said, spoke=True)
    if part_id in reading.thoughts:
        return after, (ReasoningDelta(text),)
    apart = reading.speaking not in (None, part_id)
    frame = TextDelta(_BETWEEN_PARTS + text if apart else text)
    return attrs.evolve(after, speaking=part_id), (frame,)


def count(reading: OpenCodeReading, part: Mapping[str, Any]) -> Read:
    """A step is over: its tokens join the turn's, once.

    One without a proper end was cut; opencode would ask for the same again, without end.
    """
    part_id, tokens = str(part.get("id")), part.get("tokens") or {}
    if part_id in reading.counted:
        return reading, ()
    used = reading.used.plus(_tokens(tokens))
    counted, reports = reading.counted | {part_id}, reading.reports.plus(tokens)
    after = attrs.evolve(reading, used=used, reports=reports, counted=counted, spoke=False)
    if part.get("reason") not in _REASONS and reading.failure is None:
        after = attrs.evolve(after, failure=Failure("cut_stream", _NO_END))
    return after, (UsageSeen(**attrs.asdict(used), raw=reports),)


def _tokens(found: Mapping[str, Any]) -> TokenCounts:
    cache = found.get("cache") or {}
    read, written = _whole(cache.get("read")), _whole(cache.get("write"))
    everything_in = _whole(found.get("input")) + read + written
    output, total = _whole(found.get("output")), _whole(found.get("total"))
    return TokenCounts(
        input=everything_in,
        cached=read,
        cache_write=written,
        output=max(output, total - everything_in),
        reasoning=_whole(found.get("reasoning")),
    )


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
