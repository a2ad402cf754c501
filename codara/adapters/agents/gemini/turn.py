"""One turn under way: what the agent writes becomes frames, and the turn's state moves on."""

import asyncio
from collections.abc import Callable

import attrs

from codara.adapters.agents.gemini.outcome import Ending
from codara.adapters.agents.gemini.parse import Message, is_progress
from codara.adapters.agents.gemini.reading import Read, Reading, begin_again
from codara.adapters.agents.gemini.wire import Answer, Wire
from codara.adapters.agents.lines import message_of
from codara.adapters.agents.watch import Watch
from codara.adapters.jail.spec import Lending
from codara.application.ports.agents import FrameSink
from codara.application.ports.frames import Frame, RetryNotice, ToolStarted, UsageSeen, Warned
from codara.clock import Clock

Fold = Callable[[Reading, Message], Read]

_STARS = b"***"


class GeminiTurn:
    """Listens while a turn runs, to the agent and to what the provider answers it.

    `ended` is set as soon as the agent has said how the turn ended, `ready` when it offers its
    commands. The secret of the account is starred out of a line before anybody sees it.
    """

    def __init__(self, sink: FrameSink, fold: Fold, clock: Clock, garbage: int = 0) -> None:
        self.reading = Reading()
        self.ended = asyncio.Event()
        self.ran_tools = False
        self.dropped = 0
        self._sink = sink
        self._fold = fold
        self._secret = b""
        self._watch: Watch | None = None
        self._garbage = garbage
        self._used: UsageSeen | None = None
        self._wire = Wire(
            clock, answering=self._answering, refusing=self._refusing, moving=self._moving
        )

    def lending(self, base_url: str, secret: str) -> Lending:
        """The account as it is lent for this turn."""
        self._secret = secret.encode()
        return Lending(
            base_url=base_url,
            secret=secret,
            header="x-goog-api-key",
            scheme="",
            listen=self._wire.listen,
        )

    def watched_by(self, watch: Watch) -> None:
        self._watch = watch

    def overhear(self, ending: Ending) -> Ending:
        """The ending with what the provider said."""
        wire = self._wire
        return attrs.evolve(ending, overheard=True, answer=wire.last, refused=wire.refused)

    def heard(self, line: bytes, message: Message | None) -> None:
        """Takes one line of the agent, and the object in it."""
        if self._secret and self._secret in line:
            line = line.replace(self._secret, _STARS)
            message = message_of(line)
        if self.reading.deaf and message is not None and "method" in message:
            self.dropped += 1
            return
        self._sink.raw(line)
        if message is None:
            self._garbage += 1
            return
        if is_progress(message):
            self._moving()
        self.reading, frames = self._fold(self.reading, message)
        self._tell_usage()
        for frame in frames:
            if not (self._used is not None and isinstance(frame, UsageSeen)):
                self.say(frame)
        if self.reading.ended is not None:
            self.ended.set()

    def say(self, frame: Frame) -> None:
        """Passes a frame on."""
        if isinstance(frame, ToolStarted):
            self.ran_tools = True
        self._sink.frame(frame)

    def complain(self) -> None:
        """Says how many lines were no protocol, if any were; and the last of the usage."""
        self._tell_usage()
        if self._garbage:
            self.say(Warned(f"ignored {self._garbage} lines that are no JSON objects"))

    def _answering(self, unfinished: Answer | None) -> None:
        """From now on the agent speaks of this turn; after a cut it may say the same again."""
        self._tell_usage()
        self.reading = attrs.evolve(self.reading, deaf=False)
        if unfinished is not None and self.reading.passage:
            self.reading = begin_again(self.reading)
            self.say(RetryNotice("the model's answer broke off; gemini asks for it again"))

    def _refusing(self, status: int) -> None:
        self.reading = attrs.evolve(self.reading, deaf=False)
        self.say(RetryNotice(f"the provider answered {status}"))

    def _moving(self) -> None:
        if self._watch is not None:
            self._watch.progress()

    def _tell_usage(self) -> None:
        """What the provider counts is more exact than what gemini tells of it."""
        found = self._wire.usage()
        if found is not None and found != self._used:
            self._used = found
            self.say(found)
