"""A turn of claude under way."""

from collections.abc import Mapping

import attrs

from codara.adapters.agents.claude import quota
from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.outcome import outcome_of
from codara.adapters.agents.claude.parse import is_progress, line
from codara.adapters.agents.claude.reading import NOTHING, ClaudeReading, Spent
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.listening import Listening
from codara.adapters.egress.lending import Lending
from codara.application.ports.agents import FrameSink, Outcome
from codara.application.ports.frames import QuotaSeen, WindowSeen
from codara.clock import Clock

QUOTA_SOURCE = "claude"


class ClaudeTurn(Listening):
    """Listens to claude, and to what the provider says of quota."""

    model_path = "/v1/messages"

    def __init__(
        self, sink: FrameSink, clock: Clock, *, spent: Spent = NOTHING, garbage: int = 0
    ) -> None:
        super().__init__(sink, clock, garbage)
        self.reading = ClaudeReading(spent=spent)
        self._used_up = False
        self._windows: tuple[WindowSeen, ...] = ()

    @property
    def has_ended(self) -> bool:
        return self.reading.ended is not None

    def _outcome(self, ending: Ending) -> Outcome:
        ending = attrs.evolve(ending, retry_at=self.retry_at)
        return outcome_of(self.reading, ending, used_up=self._used_up)

    def _lent(self, base_url: str, secret: str) -> Lending:
        return Lending(
            base_url=base_url,
            secret=secret,
            header="x-api-key",
            scheme="",
            observe=self._observe,
        )

    def _means(self, text: str, status: int | None) -> str:
        return cause_of(text, status=status)

    def _is_progress(self, message: Message) -> bool:
        return is_progress(message)

    def _take(self, message: Message) -> None:
        self.reading, frames = line(self.reading, message)
        self._say_all(frames)
        if self.has_ended:
            self.mark = self.reading.mark
            self.decided.set()

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        """claude itself tells nothing of quota and of when to come back; the server does."""
        self.retry_at = quota.retry_at(status, headers, self._clock()) or self.retry_at
        self._used_up = self._used_up or quota.used_up(status, headers)
        windows = quota.windows_of(headers)
        if windows and windows != self._windows:
            self._windows = windows
            self.say(QuotaSeen(QUOTA_SOURCE, windows))
