"""One turn under way: what the agent writes becomes frames, and the turn's state moves on."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from codara.adapters.agents.claude import quota
from codara.adapters.agents.claude.parse import is_progress, line
from codara.adapters.agents.claude.reading import Reading
from codara.adapters.agents.lines import Message, message_of
from codara.adapters.agents.watch import Watch
from codara.adapters.jail.spec import Lending
from codara.application.ports.agents import FrameSink
from codara.application.ports.frames import Frame, QuotaSeen, ToolStarted, Warned, WindowSeen
from codara.clock import Clock

QUOTA_SOURCE = "claude"

_STARS = b"***"


class ClaudeTurn:
    """Listens while a turn runs.

    `ended` is set as soon as the agent has said how the turn ended. The secret of the account is
    starred out of a line before anybody sees it.
    """

    def __init__(
        self, sink: FrameSink, clock: Clock, *, cost: float = 0.0, garbage: int = 0
    ) -> None:
        self.reading = Reading(cost=cost)
        self.ended = asyncio.Event()
        self.retry_at: datetime | None = None
        self.used_up = False
        self.ran_tools = False
        self._sink = sink
        self._clock = clock
        self._secret = b""
        self._watch: Watch | None = None
        self._windows: tuple[WindowSeen, ...] = ()
        self._garbage = garbage

    def lending(self, base_url: str, secret: str) -> Lending:
        """The account as it is lent for this turn."""
        self._secret = secret.encode()
        return Lending(
            base_url=base_url,
            secret=secret,
            header="x-api-key",
            scheme="",
            observe=self._observe,
        )

    def watched_by(self, watch: Watch) -> None:
        self._watch = watch

    def heard(self, found: bytes, message: Message | None) -> None:
        """Takes one line of the agent, and the object in it."""
        if self._secret and self._secret in found:
            found = found.replace(self._secret, _STARS)
            message = message_of(found)
        self._sink.raw(found)
        if message is None:
            self._garbage += 1
            return
        if self._watch is not None and is_progress(message):
            self._watch.progress()
        self.reading, frames = line(self.reading, message)
        for frame in frames:
            self.say(frame)
        if self.reading.ended is not None:
            self.ended.set()

    def say(self, frame: Frame) -> None:
        """Passes a frame on."""
        if isinstance(frame, ToolStarted):
            self.ran_tools = True
        self._sink.frame(frame)

    def complain(self) -> None:
        """Says how many lines were no protocol, if any were."""
        if self._garbage:
            self.say(Warned(f"ignored {self._garbage} lines that are no JSON objects"))

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        """claude itself tells nothing of quota and of when to come back; the server does."""
        self.retry_at = quota.retry_at(status, headers, self._clock()) or self.retry_at
        self.used_up = self.used_up or quota.used_up(status, headers)
        windows = quota.windows_of(headers)
        if windows and windows != self._windows:
            self._windows = windows
            self.say(QuotaSeen(QUOTA_SOURCE, windows))
