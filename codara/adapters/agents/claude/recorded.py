"""Recorded turns of claude, by either transport."""

from collections.abc import Iterable, Mapping
from typing import Any

from codara.adapters.agents.claude.outcome import outcome_of
from codara.adapters.agents.claude.parse import line
from codara.adapters.agents.claude.reading import NOTHING, ClaudeReading, Read, Spent
from codara.adapters.agents.transcript import (
    NOTHING_KNOWN,
    Circumstances,
    Parser,
    ReadBack,
    Way,
    attempts_of,
)

_OF_THE_PROCESS = frozenset({"modelUsage", "total_cost_usd"})
"""What a result tells of the process and all its turns."""


def read(
    lines: Iterable[bytes],
    *,
    transport: Way | None = None,
    known: Circumstances = NOTHING_KNOWN,
) -> ReadBack:
    """Returns what the lines of one turn mean; see `Transcript`. Both transports write the same.

    The lines do not tell quota, when to come back, nor whether a rate limit was a quota that is
    used up. A process that stays counts all its turns together: if it is not known where the count
    stood, the turn's own words hold, which leave out sub-agents and the cost.
    """
    spent = _spent(transport, known)
    parser = Parser(
        start=ClaudeReading(spent=spent or NOTHING),
        fold=line if spent is not None else _uncounted,
        begins=_begins,
        is_over=_is_over,
    )
    heard = attempts_of(lines, parser)
    return ReadBack(
        frames=heard.frames,
        outcome=outcome_of(heard.state, heard.ending(known)),
        usage=heard.usage,
        missing=known.lacking(*(("count",) if spent is None else ())),
        counted=heard.state.spent if spent is not None else None,
    )


def _spent(transport: Way | None, known: Circumstances) -> Spent | None:
    """What the process had taken before; one that is its turn's alone, or that began its thread,
    nothing.
    """
    if transport == "process" or known.first:
        return NOTHING
    return known.counted if isinstance(known.counted, Spent) else None


def _uncounted(reading: ClaudeReading, message: Mapping[str, Any]) -> Read:
    return line(reading, {name: message[name] for name in message.keys() - _OF_THE_PROCESS})


def _begins(reading: ClaudeReading, message: Mapping[str, Any]) -> bool:
    first = message.get("type") == "system" and message.get("subtype") == "init"
    return first and (_is_over(reading) or reading.thread_id is not None)


def _is_over(reading: ClaudeReading) -> bool:
    return reading.ended is not None
