"""A turn of gemini under way."""

from collections.abc import Callable

import attrs

from codara.adapters.agents.gemini.causes import cause_of
from codara.adapters.agents.gemini.outcome import Overheard, outcome_of
from codara.adapters.agents.gemini.parse import is_progress
from codara.adapters.agents.gemini.reading import GeminiReading, Read, begin_again
from codara.adapters.agents.gemini.wire import MODEL_PATH, GeminiAnswer, GeminiWire
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.listening import Listening
from codara.adapters.egress.lending import Lending
from codara.application.ports.agents import FrameSink, Outcome
from codara.application.ports.frames import QuotaSeen, RetryNotice, UsageSeen, WindowSeen
from codara.clock import Clock

QUOTA_SOURCE = "gemini"

Fold = Callable[[GeminiReading, Message], Read]


class GeminiTurn(Listening):
    """Listens to gemini, by the fold of its transport, and to what the provider answers it.

    `dropped` counts the messages about what was before this turn.
    """

    model_path = MODEL_PATH

    def __init__(self, sink: FrameSink, fold: Fold, clock: Clock, garbage: int = 0) -> None:
        super().__init__(sink, clock, garbage)
        self.reading = GeminiReading()
        self.dropped = 0
        self._fold = fold
        self._used: UsageSeen | None = None
        self._windows: tuple[WindowSeen, ...] = ()
        self._wire = GeminiWire(
            clock,
            answering=self._answering,
            refusing=self._refusing,
            moving=self._moving,
            quota=self._left_over,
        )

    @property
    def has_ended(self) -> bool:
        return self.reading.ended is not None

    def _outcome(self, ending: Ending) -> Outcome:
        overheard = Overheard(answer=self._wire.last, refused=self._wire.refused)
        return outcome_of(self.reading, ending, overheard)

    def complain(self) -> None:
        """Says the last of the usage, too."""
        self._tell_usage()
        super().complain()

    def _lent(self, base_url: str, secret: str) -> Lending:
        return Lending(
            base_url=base_url,
            secret=secret,
            header="x-goog-api-key",
            scheme="",
            listen=self._wire.listen,
        )

    def _means(self, text: str, status: int | None) -> str:
        return cause_of(text, status)

    def _is_progress(self, message: Message) -> bool:
        return is_progress(message)

    def _is_stale(self, message: Message) -> bool:
        stale = self.reading.deaf and "method" in message
        self.dropped += stale
        return stale

    def _take(self, message: Message) -> None:
        self.reading, frames = self._fold(self.reading, message)
        self._tell_usage()
        told = self._used is not None
        self._say_all(each for each in frames if not (told and isinstance(each, UsageSeen)))
        if self.has_ended:
            self.decided.set()

    def _answering(self, unfinished: GeminiAnswer | None) -> None:
        """From now on the agent speaks of this turn; after a cut it may say the same again."""
        self._tell_usage()
        self.reading = attrs.evolve(self.reading, deaf=False)
        if unfinished is not None and self.reading.has_begun:
            self.reading = begin_again(self.reading)
            self.say(RetryNotice("the model's answer broke off; gemini asks for it again"))

    def _refusing(self, reason: str) -> None:
        self.reading = attrs.evolve(self.reading, deaf=False)
        self.say(RetryNotice(reason))

    def _refused(self, path: str, code: str, told: str) -> None:
        super()._refused(path, code, told)
        if code == "upstream_unreachable":
            self._wire.unreachable(path)

    def _left_over(self, windows: tuple[WindowSeen, ...]) -> None:
        if windows != self._windows:
            self._windows = windows
            self.say(QuotaSeen(QUOTA_SOURCE, windows))

    def _tell_usage(self) -> None:
        """What the provider counts is more exact than what gemini tells of it."""
        found = self._wire.usage()
        if found is not None and found != self._used:
            self._used = found
            self.say(found)
