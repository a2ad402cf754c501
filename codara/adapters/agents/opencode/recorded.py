"""A recorded turn read again: the same parsing as in life, without a process."""

from collections.abc import Iterable

import attrs

from codara.adapters.agents.opencode.outcome import outcome_of
from codara.adapters.agents.opencode.parse import run_line, serve_event
from codara.adapters.agents.opencode.reading import Reading
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import message_of
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame


@attrs.frozen
class Recorded:
    """What a turn's lines mean."""

    frames: tuple[Frame, ...]
    outcome: Outcome


def read_recorded(
    lines: Iterable[bytes], ending: Ending, *, session_id: str | None = None, since: int = 0
) -> Recorded:
    """Reads the lines of one turn: events of `session_id`, or without one the lines of ``run``."""
    fold = run_line if session_id is None else serve_event
    reading = Reading(session_id=session_id, since=since)
    frames: list[Frame] = []
    for line in lines:
        message = message_of(line)
        if message is not None:
            reading, found = fold(reading, message)
            frames.extend(found)
    if session_id is None:
        reading = attrs.evolve(reading, answered=ending.exit_code == 0)
    return Recorded(tuple(frames), outcome_of(reading, ending))
