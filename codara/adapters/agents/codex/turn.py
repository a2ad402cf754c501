"""A turn of codex under way."""

from collections.abc import Callable, Mapping

import attrs

from codara.adapters.agents.codex import quota
from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.outcome import outcome_of
from codara.adapters.agents.codex.parse import QUOTA_SOURCE, is_progress
from codara.adapters.agents.codex.reading import CodexReading, Read, settle
from codara.adapters.agents.codex.rollouts import Noted
from codara.adapters.agents.codex.wire import MODEL_PATH, CodexWire
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.listening import Listening
from codara.adapters.egress.lending import Lending
from codara.application.ports.agents import FrameSink, Outcome
from codara.application.ports.frames import QuotaSeen, WindowSeen
from codara.clock import Clock

Fold = Callable[[CodexReading, Message], Read]


class CodexTurn(Listening):
    """Listens to codex, by the fold of its transport, and to what the provider answers it.

    Of quota the provider alone is heard: its word is more exact than codex's, and nobody can write
    it but the provider.
    """

    model_path = MODEL_PATH

    def __init__(self, sink: FrameSink, fold: Fold, clock: Clock, garbage: int = 0) -> None:
        super().__init__(sink, clock, garbage)
        self.reading = CodexReading()
        self._fold = fold
        self._windows: tuple[WindowSeen, ...] = ()
        self._wire = CodexWire()

    @property
    def has_ended(self) -> bool:
        return self.reading.ended is not None

    def _outcome(self, ending: Ending) -> Outcome:
        reading = attrs.evolve(self.reading, windows=self._windows)
        return outcome_of(reading, attrs.evolve(ending, retry_at=self.retry_at), self._wire.last)

    @property
    def is_counted(self) -> bool:
        """Whether codex has told all that the turn took; one that it did not complete took more."""
        ended = self.reading.ended
        return ended is not None and ended.status == "completed"

    def settle(self, noted: Noted) -> None:
        """Counts what codex wrote down of this turn."""
        self.reading, frames = settle(self.reading, noted.turn, noted.report)
        self._say_all(frames)

    def _lent(self, base_url: str, secret: str) -> Lending:
        return Lending(
            base_url=base_url,
            secret=secret,
            observe=self._observe,
            listen=self._wire.listen,
        )

    def _means(self, text: str, status: int | None) -> str:
        return cause_of(text, None if status is None else {"answer": {"httpStatusCode": status}})

    def _is_progress(self, message: Message) -> bool:
        return is_progress(message)

    def _take(self, message: Message) -> None:
        self.reading, frames = self._fold(self.reading, message)
        self._say_all(each for each in frames if not isinstance(each, QuotaSeen))
        if self.has_ended:
            self.mark = self.reading.turn_id
            self.decided.set()

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        now = self._clock()
        self.retry_at = quota.retry_at(status, headers, now) or self.retry_at
        windows = quota.windows_of(headers, now)
        if windows and windows != self._windows:
            self._windows = windows
            self.say(QuotaSeen(QUOTA_SOURCE, windows))
