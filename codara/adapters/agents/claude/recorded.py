"""A recorded turn read again: the same parsing as in life, without a process."""

from collections.abc import Iterable

import attrs

from codara.adapters.agents.claude.outcome import outcome_of
from codara.adapters.agents.claude.parse import line
from codara.adapters.agents.claude.reading import Reading
from codara.adapters.agents.ending import Ending
from codara.adapters.agents.lines import message_of
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame


@attrs.frozen
class Recorded:
    """What a turn's lines mean; `cost` is the process's cumulative one behind it."""

    frames: tuple[Frame, ...]
    outcome: Outcome
    cost: float


def read_recorded(lines: Iterable[bytes], ending: Ending, *, cost: float = 0.0) -> Recorded:
    """Reads the lines of one turn, of either transport."""
    reading = Reading(cost=cost)
    frames: list[Frame] = []
    for each in lines:
        message = message_of(each)
        if message is None:
            continue
        reading, found = line(reading, message)
        frames.extend(found)
        if reading.ended is not None:
            break
    return Recorded(tuple(frames), outcome_of(reading, ending), reading.cost)
