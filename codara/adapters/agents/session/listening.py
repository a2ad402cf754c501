"""One turn under way: what the agent writes becomes frames, and the turn's state moves on."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar

import attrs

from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.lines import Mended, Message, message_of
from codara.adapters.agents.session.watch import Watch
from codara.adapters.agents.session.witness import Witness
from codara.adapters.egress.lending import Hear, Lending
from codara.amount import TooMuch
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome, sane_id
from codara.application.ports.frames import (
    FRESH_THREAD,
    TEXT_REPLACED,
    Frame,
    MarkSeen,
    ReasoningDelta,
    TextDelta,
    ToolStarted,
    Warned,
)
from codara.application.ports.logins import Token
from codara.clock import Clock

SAID_BYTES = 128 * 1024 * 1024
FRAME_BYTES = 128
"""What a frame takes besides its text."""

_STARS = b"***"


def fresh(turn: AgentTurn) -> AgentTurn:
    """Returns the turn as it is told to a thread that takes the place of one that was lost."""
    return attrs.evolve(turn.afresh(), backend_id=None, fork=None)


class Listening(ABC):
    """Listens while a turn runs.

    `decided` is set as soon as nothing more of the agent is awaited. `began` is true once it has
    said or done something. All it says is held until the turn ends: a line beyond `SAID_BYTES`
    raises TooMuch. `retry_at` is when the provider said to come back. `lost` turns true once a
    fresh thread has taken the place of the one that was asked for. `mark` is the agent's own id of
    the point its thread has reached, by the end of the turn. What the account was lent with is
    starred out of a line before anybody sees it. `refused` is set whenever the provider refuses the
    account. `model_path` is how the paths end by which the model itself is asked.
    """

    model_path: ClassVar[str]

    def __init__(self, sink: FrameSink, clock: Clock, garbage: int = 0) -> None:
        self.decided = asyncio.Event()
        self.retry_at: datetime | None = None
        self.ran_tools = False
        self.began = False
        self.lost = False
        self.mark: str | None = None
        self._sink = sink
        self._clock = clock
        self._secrets: tuple[bytes, ...] = ()
        self._watch: Watch | None = None
        self._garbage = garbage
        self._is_mended = False
        self._room = SAID_BYTES
        self.refused = asyncio.Event()
        self._witness = Witness(self._means, self.model_path, self.refused.set)

    def lending(self, base_url: str, secret: str) -> Lending:
        """Returns the account as it is lent for this turn, by its key."""
        self._keep_quiet(secret)
        return self._witnessed(self._lent(base_url, secret))

    def login(self, base_url: str, token: Token) -> Lending:
        """Returns the same, by a token of its login."""
        self._keep_quiet(token.value)
        lent = attrs.evolve(
            self._lent(base_url, token.value),
            header="Authorization",
            scheme="Bearer",
            headers=token.headers,
        )
        return self._witnessed(lent)

    def refusal(self) -> str:
        """Returns the cause for which the provider refused the account, if it waits for that."""
        return "" if self.began or self.has_ended else self._witness.pending

    @property
    def refusal_words(self) -> str:
        """Returns what the provider said when it refused last, or its beginning."""
        return self._witness.words

    def watched_by(self, watch: Watch) -> None:
        self._watch = watch

    def heard(self, line: bytes, message: Message | None) -> None:
        """Takes one line of the agent, and the object in it."""
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, _STARS)
                message = message_of(line)
        if message is not None and self._is_stale(message):
            return
        self._sink.raw(line)
        if message is None:
            self._garbage += 1
            return
        self._is_mended = self._is_mended or isinstance(message, Mended)
        if self._is_progress(message):
            self._moving()
        self._take(message)
        if self._room < 0:
            raise TooMuch(f"the agent said more than {SAID_BYTES >> 20} MiB in one task")

    def say(self, frame: Frame) -> None:
        """Passes a frame on."""
        if isinstance(frame, ToolStarted):
            self.ran_tools = True
        if isinstance(frame, TextDelta | ReasoningDelta | ToolStarted):
            self.began = True
        self._room -= FRAME_BYTES
        if isinstance(frame, TextDelta | ReasoningDelta):
            self._room -= len(frame.text)
        self._sink.frame(frame)

    def complain(self) -> None:
        """Says how many lines were no protocol, if any were, and whether some were not text."""
        if self._is_mended:
            self.say(Warned(TEXT_REPLACED))
        if self._garbage:
            self.say(Warned(f"ignored {self._garbage} lines that are no JSON objects"))

    def lose_thread(self) -> None:
        """Says that the agent had lost the thread, or its point, and begins another one."""
        self.lost = True
        self.say(Warned(FRESH_THREAD))

    def tell_mark(self) -> None:
        """Says which point the thread has reached, where that is known."""
        if (mark := sane_id(self.mark)) is not None:
            self.say(MarkSeen(mark))

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether the agent has said how the turn ended."""

    def outcome(self, ending: Ending) -> Outcome:
        """Returns how it ended, by the agent's lines, by what the provider said, and by `ending`.

        The account is blamed only for what its provider was seen to say.
        """
        return self._witness.judged(self._outcome(ending))

    @abstractmethod
    def _outcome(self, ending: Ending) -> Outcome:
        """How it ended, as far as the agent is to be believed."""

    @abstractmethod
    def _means(self, text: str, status: int | None) -> str:
        """The cause that a refusal of the provider's means."""

    @abstractmethod
    def _lent(self, base_url: str, secret: str) -> Lending:
        """How this provider is shown who asks."""

    @abstractmethod
    def _is_progress(self, message: Message) -> bool:
        """Whether the agent got on; notices of a retry are no progress."""

    @abstractmethod
    def _take(self, message: Message) -> None:
        """Folds one message of this turn."""

    def _refused(self, path: str, code: str, told: str) -> None:
        """See `Lending.refused`."""
        self._witness.refused(path, code, told)

    def _is_stale(self, _: Message) -> bool:
        """Whether a message belongs to what was before this turn."""
        return False

    def _witnessed(self, lending: Lending) -> Lending:
        """The same lending, with the witness reading every response of the provider."""
        own, observe = lending.listen, lending.observe

        def observed(status: int, headers: Mapping[str, str]) -> None:
            self._witness.observe(status, headers, self._clock())
            if observe is not None:
                observe(status, headers)

        def listen(path: str, status: int) -> Hear:
            ears = self._witness.listen(path, status), own(path, status) if own else None

            def hear(piece: bytes) -> None:
                for ear in filter(None, ears):
                    ear(piece)

            return hear

        return attrs.evolve(lending, observe=observed, listen=listen, refused=self._refused)

    def _keep_quiet(self, secret: str) -> None:
        hidden = secret.encode()
        if hidden and hidden not in self._secrets:
            self._secrets = (*self._secrets, hidden)

    def _moving(self) -> None:
        if self._watch is not None:
            self._watch.progress()

    def _say_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.say(frame)
