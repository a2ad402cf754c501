"""What all agents that stay have in common: one process in a home, one turn at a time."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import attrs

from codara.adapters.agents.session.answers import ODD, AgentRefused, Gone
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.leftovers import NOBODY, living, strangers
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.listening import Listening, fresh
from codara.adapters.agents.session.output import Exit, unreadable
from codara.adapters.agents.session.overtaking import overtaking
from codara.adapters.agents.session.watch import Watch, to_the_end
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.clock import Clock
from codara.errors import AgentFailed

INTERRUPT_SECONDS = 2.0
CLOSE_SECONDS = 1.0
LET_GO_SECONDS = 10.0
"""How long the end of what was killed is waited for."""

_STDERR_SHOWN = 2000

L = TypeVar("L", bound=Listening)


class Channel(Protocol):
    """What the agent writes, as long as it lives."""

    @property
    def alive(self) -> bool: ...

    async def ended(self) -> Exit:
        """Waits for the end; cancelling the wait does no harm."""

    def when_ended(self, call: Callable[[], None]) -> None: ...


class Staying(ABC, Generic[L]):
    """Runs the turns of one home in one long-lived process; its starter calls `close`.

    A program that runs after a turn, and did not before the first one, was left by that turn.
    `helpers` are the exception: programs that the agent starts once it needs them, and keeps.
    """

    keeps = True
    settles_tools = True
    """Whether it is settled at the start if there are tools; else each turn gets them or not."""
    helpers: tuple[Path, ...] = ()
    _channel: Channel

    def __init__(
        self, launched: Launched, turn: AgentTurn, *, lender: Lender, clock: Clock
    ) -> None:
        self._jail = launched.jail
        self._broker = launched.broker
        self._place = _place(turn)
        self._toolless = turn.toolless
        self._own = NOBODY
        self._lender = lender
        self._clock = clock
        self._turn: L | None = None
        self._garbage = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ready(self) -> None:
        """It has spoken its first words: from now on its processes are known."""
        self._own = await asyncio.to_thread(living, self._jail.inner_pid)

    def serves(self, turn: AgentTurn) -> bool:
        """A folder that was removed and made again is another one, which the jail does not have."""
        fits = turn.toolless == self._toolless or not self.settles_tools
        return fits and _place(turn) == self._place

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        current = self._listening(sink, self._garbage)
        self._turn, self._garbage = current, 0
        try:
            lending = await self._lender.lend(turn, current)
            await turn.permitted()
            self._broker.lend(lending)
            ending = await self._ending(turn, current)
        finally:
            self._turn = None
            self._broker.withdraw()
            current.complain()
            await to_the_end(self._finish(current))
        return current.outcome(ending)

    def remembers(self, thread_ids: Collection[str]) -> bool:
        """Says whether it has one of these threads in memory, and would go on in it."""
        return False

    async def close(self) -> None:
        await self._jail.close(CLOSE_SECONDS)
        await self._let_go()

    @abstractmethod
    def _listening(self, sink: FrameSink, garbage: int) -> L:
        """Listens to the next turn."""

    @abstractmethod
    async def _converse(self, turn: AgentTurn, current: L) -> str:
        """The turn, by the agent's protocol; gives the thread it had to go on in.

        Raises Refused or Gone.
        """

    @abstractmethod
    async def _interrupt(self, current: L) -> None:
        """Asks the agent to end its turn and waits until it has; Refused or Gone."""

    def _heeds(self, current: L, reason: str) -> bool:
        """Whether an interrupt is worth a try."""
        return reason != "stalled"

    def _refused(
        self, turn: AgentTurn, current: L, refused: AgentRefused, ending: Ending
    ) -> Ending:
        """The agent refused what the turn needs."""
        return attrs.evolve(ending, stopped="protocol", message=str(refused))

    async def _forgets(self, thread_id: str, refused: AgentRefused) -> bool:
        """Whether the agent refused because it has lost a thread it had; it is then forgotten."""
        return False

    def _vain(self, current: L) -> str:
        """Why the agent has to be stopped although it goes on; empty if it has not."""
        return ""

    def _left(self, current: L) -> bool:
        """Whether something the turn started still runs. Blocks for some milliseconds."""
        return bool(strangers(self._jail.inner_pid, self._own, self.helpers))

    async def _after(self, current: L) -> None:
        """The turn is over, one way or another."""

    async def _finish(self, current: L) -> None:
        await self._after(current)
        current.tell_mark()

    async def _ending(self, turn: AgentTurn, current: L) -> Ending:
        ending = Ending(jailed=self._jail.jailed)
        watch, is_over = Watch(turn, self._clock), False
        try:
            async with watch, overtaking(turn, current, watch):
                current.watched_by(watch)
                ending = attrs.evolve(ending, expected=await self._conversed(turn, current))
        except TimeoutError:
            ending, is_over = ending.impatient(watch.reason, current.refusal_words), True
        except AgentRefused as refused:
            ending = self._refused(turn, current, refused, ending)
        except Gone:
            await to_the_end(self._bury())
        except ODD as error:
            told = unreadable(self._jail.jail_id, error)
            ending = attrs.evolve(ending, stopped="protocol", message=told)
            await to_the_end(self._kill("protocol"))
        except asyncio.CancelledError:
            await to_the_end(self._stop(current, "cancelled"))
            raise
        if is_over:
            await to_the_end(self._stop(current, watch.reason))
        elif why := self._vain(current):
            await to_the_end(self._stop(current, why))
        await to_the_end(self._tidy(current))
        if self._channel.alive or ending.stopped is not None or current.has_ended:
            return ending
        return ending.exited(await self._channel.ended())

    async def _conversed(self, turn: AgentTurn, current: L) -> str:
        """Runs the turn. If the agent only answers that it lost the thread, runs it again in a new
        thread."""
        try:
            return await self._converse(turn, current)
        except AgentRefused as refused:
            if turn.backend_id is None or current.began:
                raise
            if not await self._forgets(turn.backend_id, refused):
                raise
        current.decided.clear()
        current.lose_thread()
        return await self._converse(fresh(turn), current)

    async def _stop(self, current: L, reason: str) -> None:
        """By its protocol first; an agent that does not heed it is killed."""
        if not self._heeds(current, reason):
            await self._kill(reason)
            return
        try:
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await self._interrupt(current)
        except (TimeoutError, Gone, AgentRefused):
            await self._kill(reason)
        await self._tidy(current)

    async def _tidy(self, current: L) -> None:
        """A turn ends with everything it started: what still runs could write to the workspace."""
        if not self._channel.alive or not current.ran_tools:
            return
        if await asyncio.to_thread(self._left, current):
            await self._leave("a tool outlived its turn")

    async def _leave(self, reason: str) -> None:
        """Ends the agent between two turns."""
        await self._kill(reason)

    async def _bury(self) -> None:
        """What does not answer any more is ending; if not, it is ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._channel.ended()
        if self._channel.alive:
            await self._kill("it does not answer")

    async def _kill(self, reason: str) -> None:
        await self._jail.kill(reason)
        await self._let_go()

    async def _let_go(self) -> None:
        """Waits for the end of what was killed; what the kernel does not let end is given up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._channel.ended()
        self._over()

    def _hear(self, channel: Channel) -> None:
        """From now on the agent is heard through this channel."""
        self._channel = channel
        channel.when_ended(self._over)

    def _heard(self, line: bytes, message: Message | None) -> None:
        if self._turn is not None:
            self._turn.heard(line, message)
        elif message is None:
            self._garbage += 1

    def _over(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        if self._turn is not None:
            self._turn.decided.set()

    def _last_words(self) -> str:
        return self._jail.stderr()[-_STDERR_SHOWN:].decode("utf-8", "replace").strip()

    def _not_started(self, what: str, error: Exception) -> AgentFailed:
        text = f"{what} did not start: {self._last_words() or repr(error)}"
        return AgentFailed(text, cause="crashed")


def _place(turn: AgentTurn) -> tuple[object, ...]:
    try:
        found = turn.folder.stat()
    except OSError:
        return turn.folder, turn.read_only
    return turn.folder, turn.read_only, found.st_dev, found.st_ino
