"""Recorded turns of gemini, by either transport."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from codara.adapters.agents.gemini.outcome import outcome_of
from codara.adapters.agents.gemini.parse import Message, acp_line, stream_line
from codara.adapters.agents.gemini.reading import GeminiReading, begin_again
from codara.adapters.agents.transcript import (
    NOTHING_KNOWN,
    Circumstances,
    Parser,
    ReadBack,
    Way,
    attempts_of,
)
from codara.application.ports.frames import Frame

_RETRIED_AFTER = timedelta(minutes=4)
"""gemini gives a silent server five minutes before it asks again."""


def read(
    lines: Iterable[bytes],
    *,
    transport: Way | None = None,
    known: Circumstances = NOTHING_KNOWN,
) -> ReadBack:
    """Returns what the lines of one turn mean; see `Transcript`. Each line shows its transport.

    Most of what is known of a live turn is overheard at the broker, and the lines do not tell it.
    A turn whose model answered half, or nothing, is a success here. What gemini says again, because
    an answer broke off, is heard twice, unless times in the lines show that it asked again. Tokens
    are gemini's own sum, in which thoughts are missing. Why a request was refused is gemini's word.
    The session of an ACP turn that said nothing is not known.
    """
    parser = Parser(start=_Timed(), fold=_line, begins=_begins, is_over=_is_over)
    heard = attempts_of(lines, parser)
    return ReadBack(
        frames=heard.frames,
        outcome=outcome_of(heard.state.reading, heard.ending(known)),
        usage=heard.usage,
        missing=known.lacking(),
    )


@attrs.frozen
class _Timed:
    """A reading, and when gemini wrote the last line of it, if the line says so."""

    reading: GeminiReading = attrs.field(factory=GeminiReading)
    at: datetime | None = None


def _line(before: _Timed, message: Message) -> tuple[_Timed, tuple[Frame, ...]]:
    reading, at = before.reading, _time_of(message)
    if before.at is not None and at is not None and at - before.at > _RETRIED_AFTER:
        reading = begin_again(reading)
    fold = stream_line if "type" in message else acp_line
    reading, frames = fold(_in_session(reading, message), message)
    return _Timed(reading, at), frames


def _in_session(reading: GeminiReading, message: Message) -> GeminiReading:
    """The turn belongs to the session that its first update names."""
    params = message.get("params") or {}
    if reading.session_id is None and "sessionId" in params:
        return attrs.evolve(reading, session_id=str(params["sessionId"]))
    return reading


def _begins(before: _Timed, message: Message) -> bool:
    match message:
        case {"type": "init"}:
            return before.reading.session_id is not None
        case {"method": "session/update"} | {"result": {"stopReason": _}} | {"error": {"code": _}}:
            return _is_over(before)
        case _:
            return False


def _is_over(before: _Timed) -> bool:
    return before.reading.ended is not None


def _time_of(message: Message) -> datetime | None:
    try:
        return datetime.fromisoformat(str(message.get("timestamp")))
    except ValueError:
        return None
