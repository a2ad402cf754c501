"""Transcripts: what the recorded lines of a turn mean to the parser of today."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import reduce
from itertools import chain
from typing import Generic, Literal, Protocol, TypeVar

import attrs

from codara.adapters.agents.session.answers import ODD
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import Message, message_of
from codara.adapters.agents.session.output import unreadable
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import (
    Frame,
    ReasoningDelta,
    TextDelta,
    ToolStarted,
    UsageSeen,
)

Way = Literal["persistent", "process"]
"""The transport: a process that stays, or one process per turn."""

Missing = Literal["provider", "process", "home", "count"]
"""What a result had to do without.

`provider`: what the provider answered, which is overheard at the broker: whether the model's answer
came to its end, why a request was refused, when to come back, quota, and whether an account is
blamed rightly. `process`: how the process ended, and whether we ended it. `home`: what the CLI
wrote down about the turn. `count`: where a running count of tokens stood when the turn began.
"""

R = TypeVar("R")


@attrs.frozen(kw_only=True)
class ReadBack:
    """What the recorded lines of one turn mean; `missing` names what they do not tell.

    If the gateway ran the turn in several attempts, `outcome` is the last one's, `usage` the sum.
    Frames of our own are not among `frames`: `Warned` of a lost thread or of lines that are not
    protocol, `MarkSeen`, and `BackendSeen` where a process that stays was told the thread by us.
    """

    frames: tuple[Frame, ...]
    outcome: Outcome
    usage: UsageSeen | None
    missing: frozenset[Missing]
    counted: object = attrs.field(default=None, repr=False)
    """Where the running count stands after the turn; for `Circumstances.counted` alone."""

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(frame.text for frame in self.frames if isinstance(frame, TextDelta))

    @property
    def backend_id(self) -> str | None:
        """The agent's own id of the thread, as far as the lines tell it."""
        return self.outcome.backend_id


@attrs.frozen(kw_only=True)
class Circumstances:
    """What is known of a turn besides its lines.

    `ending` is how it ended as seen from outside the agent; None if that is not known. `first`: no
    turn came before it in its thread. `counted` is the `ReadBack.counted` of the turn before it.
    `began` is when the gateway started it: older messages belong to earlier turns.
    """

    ending: Ending | None = None
    first: bool = False
    counted: object = attrs.field(default=None, repr=False)
    began: datetime | None = None

    def lacking(self, *also: Missing) -> frozenset[Missing]:
        """Returns what a result lacks besides `also`: always the provider's word."""
        return frozenset({"provider", *also, *(() if self.ending else ("process",))})


NOTHING_KNOWN = Circumstances()


class Transcript(Protocol):
    """Reads the recorded lines of one runtime's turns: its module `recorded`."""

    def read(
        self,
        lines: Iterable[bytes],
        *,
        transport: Way | None = None,
        known: Circumstances = NOTHING_KNOWN,
    ) -> ReadBack:
        """Returns what the lines of one turn mean, in the order in which they came.

        They are those that `FrameSink.raw` got. Lines that are not protocol are passed over. The
        `transport` is the one that the turn was run by; None if that is not known.
        """


def lines_of(frames: bytes) -> list[bytes]:
    """Returns the lines of a turn's stored frames, which newlines separate."""
    return frames.split(b"\n") if frames else []


@attrs.frozen(kw_only=True)
class Parser(Generic[R]):
    """How a runtime folds its lines, each into a state; `start` is the state before the first.

    `begins` tells whether a line, seen from the state before it, can be the first one of another
    attempt. `is_over` tells whether the agent has said how the turn ended: what comes behind that
    is not read.
    """

    start: R
    fold: Callable[[R, Message], tuple[R, tuple[Frame, ...]]]
    begins: Callable[[R, Message], bool]
    is_over: Callable[[R], bool]


@attrs.frozen(kw_only=True)
class Attempts(Generic[R]):
    """All attempts of a turn: the last one's state, the frames of all, and what they took.

    `broken` says what was wrong with a line that cannot be read; nothing behind it was.
    """

    state: R
    frames: tuple[Frame, ...]
    usage: UsageSeen | None
    broken: str = ""

    def ending(self, known: Circumstances) -> Ending:
        """Returns the ending; if it is not known, one that nothing speaks against.

        An agent that writes what cannot be read is ended for that.
        """
        ending = known.ending or Ending()
        if not self.broken or ending.stopped is not None:
            return ending
        return attrs.evolve(ending, stopped="protocol", message=self.broken)


def attempts_of(lines: Iterable[bytes], parser: Parser[R]) -> Attempts[R]:
    """Returns what the lines say, attempt by attempt.

    The gateway makes another attempt only while nothing came of the one before it.
    """
    state, broken = parser.start, ""
    attempts: list[list[Frame]] = [[]]
    for message in filter(None, map(message_of, lines)):
        if parser.begins(state, message) and not _something_came(attempts[-1]):
            state = parser.start
            attempts.append([])
        try:
            state, frames = (state, ()) if parser.is_over(state) else parser.fold(state, message)
        except ODD as error:
            broken = unreadable("the agent of a recorded turn", error)
            break
        attempts[-1].extend(frames)
    frames = tuple(chain.from_iterable(attempts))
    return Attempts(state=state, frames=frames, usage=_usage(attempts), broken=broken)


def _something_came(frames: Iterable[Frame]) -> bool:
    return any(isinstance(frame, TextDelta | ReasoningDelta | ToolStarted) for frame in frames)


def _usage(attempts: Iterable[Iterable[Frame]]) -> UsageSeen | None:
    """The sum of what each attempt told last."""
    told = ([each for each in frames if isinstance(each, UsageSeen)] for frames in attempts)
    newest = [seen[-1] for seen in told if seen]
    return reduce(_plus, newest) if newest else None


def _plus(one: UsageSeen, two: UsageSeen) -> UsageSeen:
    joined = one.raw.plus(*two.raw.newest)
    return UsageSeen(
        input=one.input + two.input,
        cached=one.cached + two.cached,
        cache_write=one.cache_write + two.cache_write,
        output=one.output + two.output,
        reasoning=one.reasoning + two.reasoning,
        raw=attrs.evolve(joined, left_out=joined.left_out + two.raw.left_out),
    )
