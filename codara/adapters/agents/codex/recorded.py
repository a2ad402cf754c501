"""A recorded turn read again: the same parsing as in life, without a process."""

from collections.abc import Iterable

import attrs

from codara.adapters.agents.codex.outcome import outcome_of
from codara.adapters.agents.codex.parse import Message, appserver_line, exec_line
from codara.adapters.agents.codex.reading import Reading, Tokens
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import message_of
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame


@attrs.frozen
class Recorded:
    """What a turn's lines mean."""

    frames: tuple[Frame, ...]
    outcome: Outcome
    total: Tokens | None


def read_recorded(
    lines: Iterable[bytes], ending: Ending, *, total: Tokens | None = None
) -> Recorded:
    """Reads the lines of one turn, of either transport.

    `total` is the thread's token count before the turn, where the lines do not hold its start.
    """
    reading = Reading(total=total)
    frames: list[Frame] = []
    for line in lines:
        message = message_of(line)
        if message is None:
            continue
        reading = _in_thread(reading, message)
        fold = exec_line if "type" in message else appserver_line
        reading, found = fold(reading, message)
        frames.extend(found)
        if reading.ended is not None:
            break
    return Recorded(tuple(frames), outcome_of(reading, ending), reading.total)


def _in_thread(reading: Reading, message: Message) -> Reading:
    """The app-server's turn belongs to the thread that its first `turn/started` names."""
    if reading.thread_id is None and message.get("method") == "turn/started":
        return attrs.evolve(reading, thread_id=str(message["params"]["threadId"]))
    return reading
