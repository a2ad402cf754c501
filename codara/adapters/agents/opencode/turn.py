"""One turn under way: what the agent reports becomes frames, and the turn's state moves on."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from codara.adapters.agents.lines import Message, message_of
from codara.adapters.agents.opencode.causes import Retry, gives_up
from codara.adapters.agents.opencode.parse import is_progress
from codara.adapters.agents.opencode.reading import Read, Reading
from codara.adapters.agents.watch import Watch
from codara.adapters.jail.spec import Lending
from codara.application.ports.agents import FrameSink
from codara.application.ports.frames import Frame, ToolStarted, Warned
from codara.clock import Clock

Fold = Callable[[Reading, Message], Read]

_STARS = b"***"
_GOES_ON = frozenset({"context_full", "cut_stream"})
"""Failures after which opencode asks again: for a summary, or for the same answer."""


class OpencodeTurn:
    """Listens while a turn runs.

    `decided` is set once the turn cannot succeed any more although the agent goes on: requests
    failed too often (`given_up` then is the cause), a full context is being summarised, or half an
    answer is taken for a reason to ask again. The secret of the account is starred out of what
    anybody sees.
    """

    def __init__(self, sink: FrameSink, fold: Fold, clock: Clock, garbage: int = 0) -> None:
        self.reading = Reading()
        self.decided = asyncio.Event()
        self.given_up: str | None = None
        self.retry_at: datetime | None = None
        self.ran_tools = False
        self._sink = sink
        self._fold = fold
        self._clock = clock
        self._secret = b""
        self._status: int | None = None
        self._watch: Watch | None = None
        self._garbage = garbage
        self._awaited = ""
        self._closed = asyncio.Event()

    def lending(self, base_url: str, secret: str) -> Lending:
        """The account as it is lent for this turn."""
        self._secret = secret.encode()
        return Lending(base_url=base_url, secret=secret, observe=self._observe)

    def watched_by(self, watch: Watch) -> None:
        self._watch = watch

    def milliseconds(self) -> int:
        """Now, as opencode tells the time."""
        return int(self._clock().timestamp() * 1000)

    def heard(self, line: bytes, message: Message | None) -> None:
        """Takes one line or event of the agent, and the object in it."""
        if self._secret and self._secret in line:
            line = line.replace(self._secret, _STARS)
            message = message_of(line)
        self._sink.raw(line)
        if message is None:
            self._garbage += 1
            return
        if self._watch is not None and is_progress(message):
            self._watch.progress()
        before = self.reading.retry
        self.reading, frames = self._fold(self.reading, message)
        for frame in frames:
            self.say(frame)
        if self._awaited in self.reading.closed:
            self._closed.set()
        if self.reading.retry is not None and self.reading.retry is not before:
            self.tried(self.reading.retry)
        failure = self.reading.failure
        if failure is not None and failure.cause in _GOES_ON:
            self.decided.set()

    def tried(self, retry: Retry) -> None:
        """A request failed and the agent means to send it again: ends the turn if that is vain."""
        now, spoke = self.milliseconds(), self.reading.spoke
        self.given_up = gives_up(retry, status=self._status, spoke=spoke, now=now)
        self._status = None
        if self.given_up is not None:
            self.decided.set()

    def say(self, frame: Frame) -> None:
        """Passes a frame on."""
        if isinstance(frame, ToolStarted):
            self.ran_tools = True
        self._sink.frame(frame)

    async def closed(self, message_id: str) -> None:
        """Waits until the events tell that a message is whole; they lag behind the answer."""
        self._awaited = message_id
        if message_id not in self.reading.closed:
            await self._closed.wait()

    def complain(self) -> None:
        """Says how many lines were no protocol, if any were."""
        if self._garbage:
            self.say(Warned(f"ignored {self._garbage} lines that are no JSON objects"))

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        """opencode tells neither the status nor when to come back; the server does."""
        self._status = status
        seconds = headers.get("retry-after", "")
        if status >= 400 and seconds.isdecimal():
            self.retry_at = self._clock() + timedelta(seconds=int(seconds))
