"""A turn of opencode under way."""

import asyncio
from collections.abc import Callable, Mapping

import attrs

from codara.adapters.agents.opencode.causes import Retry, cause_of, gives_up
from codara.adapters.agents.opencode.outcome import outcome_of
from codara.adapters.agents.opencode.parse import is_progress
from codara.adapters.agents.opencode.reading import OpenCodeReading, Read
from codara.adapters.agents.session import ratelimits
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.listening import Listening
from codara.adapters.egress.lending import Lending
from codara.application.ports.agents import FrameSink, Outcome
from codara.application.ports.frames import QuotaSeen
from codara.clock import Clock

QUOTA_SOURCE = "opencode"

Fold = Callable[[OpenCodeReading, Message], Read]

_GOES_ON = frozenset({"context_full", "cut_stream"})
"""Failures after which opencode asks again: for a summary, or for the same answer."""
_REFUSED = 400
_VAIN = "the request failed again and again"


class OpencodeTurn(Listening):
    """Listens to opencode, by the fold of its transport, and to what the provider answers.

    It is decided as well once the turn cannot succeed any more although the agent goes on:
    requests failed too often (`given_up` then is the cause), a full context is being summarised,
    or half an answer is taken for a reason to ask again.
    """

    model_path = "/chat/completions"

    def __init__(self, sink: FrameSink, fold: Fold, clock: Clock, garbage: int = 0) -> None:
        super().__init__(sink, clock, garbage)
        self.reading = OpenCodeReading()
        self.given_up: str | None = None
        self._why = ""
        self._fold = fold
        self._status: int | None = None
        self._awaited = ""
        self._settled = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        return self.reading.answered

    def _outcome(self, ending: Ending) -> Outcome:
        ending = attrs.evolve(ending, retry_at=self.retry_at)
        if self.given_up is not None and ending.stopped not in ("stalled", "timeout"):
            ending = attrs.evolve(ending, stopped=self.given_up, message=self._why)
        return outcome_of(self.reading, ending)

    def milliseconds(self) -> int:
        """Now, as opencode tells the time."""
        return int(self._clock().timestamp() * 1000)

    def tried(self, retry: Retry) -> None:
        """A request failed and the agent means to send it again: ends the turn if that is vain."""
        now, spoke = self.milliseconds(), self.reading.spoke
        self.given_up = gives_up(retry, status=self._status, spoke=spoke, now=now)
        self._status = None
        if self.given_up is not None:
            self._why = retry.message or _VAIN
            self.decided.set()

    async def settled(self, message_id: str) -> None:
        """Waits until the events, which lag behind the answer, tell of a message's end and of rest.

        A message alone may look whole while its words are still on their way.
        """
        self._awaited = message_id
        if not self._rests():
            await self._settled.wait()

    def _lent(self, base_url: str, secret: str) -> Lending:
        return Lending(base_url=base_url, secret=secret, observe=self._observe)

    def _means(self, text: str, status: int | None) -> str:
        return cause_of(text, status)

    def _is_progress(self, message: Message) -> bool:
        return is_progress(message)

    def _take(self, message: Message) -> None:
        before = self.reading.retry
        self.reading, frames = self._fold(self.reading, message)
        self.mark = self.reading.mark
        self._say_all(frames)
        if self._rests():
            self._settled.set()
        if self.reading.retry is not None and self.reading.retry is not before:
            self.tried(self.reading.retry)
        failure = self.reading.failure
        if failure is not None and failure.cause in _GOES_ON:
            self.decided.set()

    def _rests(self) -> bool:
        return self.reading.answered and self._awaited in self.reading.closed

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        """opencode tells neither the status nor when to come back nor limits; the server does."""
        self._status, now = status, self._clock()
        if status >= _REFUSED:
            self.retry_at = ratelimits.retry_after(headers, now) or self.retry_at
        if windows := ratelimits.windows_of(headers, now):
            self.say(QuotaSeen(QUOTA_SOURCE, windows))
