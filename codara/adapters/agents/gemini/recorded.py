"""A recorded turn read again: the same parsing as in life, without a process."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from codara.adapters.agents.gemini.outcome import outcome_of
from codara.adapters.agents.gemini.parse import Message, acp_line, stream_line
from codara.adapters.agents.gemini.reading import Reading, begin_again
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import message_of
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame

_RETRIED_AFTER = timedelta(minutes=4)
"""gemini gives a silent server five minutes before it asks again; in life the provider is heard."""


@attrs.frozen
class Recorded:
    """What a turn's lines mean."""

    frames: tuple[Frame, ...]
    outcome: Outcome


def read_recorded(lines: Iterable[bytes], ending: Ending) -> Recorded:
    """Reads the lines of one turn, of either transport."""
    reading = Reading()
    frames: list[Frame] = []
    at: datetime | None = None
    for line in lines:
        message = message_of(line)
        if message is None:
            continue
        before, at = at, _time_of(message)
        if before is not None and at is not None and at - before > _RETRIED_AFTER:
            reading = begin_again(reading)
        reading = _in_session(reading, message)
        fold = stream_line if "type" in message else acp_line
        reading, found = fold(reading, message)
        frames.extend(found)
        if reading.ended is not None:
            break
    return Recorded(tuple(frames), outcome_of(reading, ending))


def _in_session(reading: Reading, message: Message) -> Reading:
    """The turn belongs to the session that its first update names."""
    params = message.get("params") or {}
    if reading.session_id is None and "sessionId" in params:
        return attrs.evolve(reading, session_id=str(params["sessionId"]))
    return reading


def _time_of(message: Message) -> datetime | None:
    try:
        return datetime.fromisoformat(str(message.get("timestamp")))
    except ValueError:
        return None
