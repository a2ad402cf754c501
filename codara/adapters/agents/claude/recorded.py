"""A recorded turn read again: the same parsing as in life, without a process."""

from collections.abc import Iterable

import attrs

from codara.adapters.agents.claude.outcome import outcome_of
from codara.adapters.agents.claude.parse import line
from codara.adapters.agents.claude.reading import NOTHING, Reading, Spent
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import message_of
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame


@attrs.frozen
class Recorded:
    """What a turn's lines mean; `spent` is what the process took, this turn included."""

    frames: tuple[Frame, ...]
    outcome: Outcome
    spent: Spent


def read_recorded(lines: Iterable[bytes], ending: Ending, *, spent: Spent = NOTHING) -> Recorded:
    """Reads the lines of one turn, of either transport."""
    reading = Reading(spent=spent)
    frames: list[Frame] = []
    for each in lines:
        message = message_of(each)
        if message is None:
            continue
        reading, found = line(reading, message)
        frames.extend(found)
        if reading.ended is not None:
            break
    return Recorded(tuple(frames), outcome_of(reading, ending), reading.spent)
