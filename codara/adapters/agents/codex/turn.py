"""One turn under way: what the agent writes becomes frames, and the turn's state moves on."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import attrs

from codara.adapters.agents.codex import quota
from codara.adapters.agents.codex.parse import QUOTA_SOURCE, Message, is_progress
from codara.adapters.agents.codex.reading import Read, Reading
from codara.adapters.agents.lines import message_of
from codara.adapters.agents.watch import Watch
from codara.adapters.jail.spec import Lending
from codara.application.ports.agents import FrameSink
from codara.application.ports.frames import Frame, QuotaSeen, ToolStarted, Warned
from codara.clock import Clock

Fold = Callable[[Reading, Message], Read]

_STARS = b"***"


class CodexTurn:
    """Listens while a turn runs.

    `ended` is set as soon as the agent has said how the turn ended. The secret of the account is
    starred out of a line before anybody sees it.
    """

    def __init__(self, sink: FrameSink, fold: Fold, clock: Clock, garbage: int = 0) -> None:
        self.reading = Reading()
        self.ended = asyncio.Event()
        self.retry_at: datetime | None = None
        self.ran_commands = False
        self._sink = sink
        self._fold = fold
        self._clock = clock
        self._secret = b""
        self._watch: Watch | None = None
        self._garbage = garbage
        self._quota_observed = False

    def lending(self, base_url: str, secret: str) -> Lending:
        """The account as it is lent for this turn."""
        self._secret = secret.encode()
        return Lending(base_url=base_url, secret=secret, observe=self._observe)

    def watched_by(self, watch: Watch) -> None:
        self._watch = watch

    def heard(self, line: bytes, message: Message | None) -> None:
        """Takes one line of the agent, and the object in it."""
        if self._secret and self._secret in line:
            line = line.replace(self._secret, _STARS)
            message = message_of(line)
        self._sink.raw(line)
        if message is None:
            self._garbage += 1
            return
        if self._watch is not None and is_progress(message):
            self._watch.progress()
        self.reading, frames = self._fold(self.reading, message)
        for frame in frames:
            if not (self._quota_observed and isinstance(frame, QuotaSeen)):
                self.say(frame)
        if self.reading.ended is not None:
            self.ended.set()

    def say(self, frame: Frame) -> None:
        """Passes a frame on."""
        if isinstance(frame, ToolStarted):
            self.ran_commands = True
        self._sink.frame(frame)

    def complain(self) -> None:
        """Says how many lines were no protocol, if any were."""
        if self._garbage:
            self.say(Warned(f"ignored {self._garbage} lines that are no JSON objects"))

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        """What the server says of its quota is more exact than codex's rounding of it."""
        self.retry_at = quota.retry_at(status, headers, self._clock()) or self.retry_at
        windows = quota.windows_of(headers)
        if windows and windows != self.reading.windows:
            self._quota_observed = True
            self.reading = attrs.evolve(self.reading, windows=windows)
            self.say(QuotaSeen(QUOTA_SOURCE, windows))
