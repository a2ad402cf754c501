"""The fall-back of every runtime: one process per turn, the prompt on its standard input."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import attrs

from codara.adapters.agents.session.bounds import PromptBound
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.listening import Listening, fresh
from codara.adapters.agents.session.output import Exit, Output
from codara.adapters.agents.session.overtaking import overtaking
from codara.adapters.agents.session.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import FRESH_THREAD, Warned
from codara.clock import Clock

L = TypeVar("L", bound=Listening)


@attrs.frozen(kw_only=True)
class Around:
    """What every execution needs; `sweep` takes the turn's pictures out of its home.

    `bound` is how long the prompt may be that such a process takes; None for no bound.
    """

    lender: Lender
    clock: Clock
    sweep: Callable[[], Coroutine[Any, Any, None]]
    bound: PromptBound | None = None


class Execution(ABC, Generic[L]):
    """A session that holds no process between its turns."""

    keeps = False

    def __init__(self, around: Around) -> None:
        self._lender = around.lender
        self._clock = around.clock
        self._sweep = around.sweep
        self._bound = around.bound
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def serves(self, turn: AgentTurn) -> bool:
        return False

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """One process; a second one in a fresh thread where the first knew no such thread.

        Where no copy can be had of the thread that is to be forked, there is only the second.
        """
        await turn.permitted()
        known = turn.backend_id if turn.fork is None else await self._copied(turn)
        if turn.fork is None or known is not None:
            outcome = await self._once(turn, sink, known)
            if outcome.cause != "unknown_session" or outcome.backend_id is not None:
                return outcome
        sink.frame(Warned(FRESH_THREAD))
        return await self._once(fresh(turn), sink, None)

    async def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    @abstractmethod
    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Launched, str | None]:
        """A process that goes on with the thread `known`, or None: a fresh one.

        Gives the thread it has to report, where that is known.
        """

    @abstractmethod
    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> L:
        """Listens to the process of a turn."""

    @abstractmethod
    async def _copied(self, turn: AgentTurn) -> str | None:
        """The thread that is, or becomes with the process, the copy for a turn with a `fork`.

        None where the agent makes none, as it has lost the thread or its point.
        """

    def _input(self, turn: AgentTurn) -> str:
        """What the process has to find on its standard input."""
        return turn.prompt

    async def _exit(self, output: Output, current: L, jail: Jail) -> Exit:
        """Waits until the process has ended."""
        return await output.ended()

    async def _over(self, turn: AgentTurn, current: L) -> None:
        """The process is gone, also that of a turn that was cancelled."""

    async def _finish(self, turn: AgentTurn, current: L) -> None:
        await self._over(turn, current)
        current.tell_mark()

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        if self._bound is not None and (excess := self._bound.excess(turn.prompt)):
            return Outcome(status="failed", cause="context_full", message=excess)
        current = await self._listening(turn, sink, known)
        try:
            launched, expected = await self._launch(turn, known)
            try:
                ending = await self._ending(turn, current, launched)
            finally:
                await to_the_end(launched.jail.close(grace=0))
                current.complain()
                await to_the_end(self._finish(turn, current))
        finally:
            if turn.images:
                await to_the_end(self._sweep())
        return current.outcome(attrs.evolve(ending, expected=expected))

    async def _ending(self, turn: AgentTurn, current: L, launched: Launched) -> Ending:
        jail = launched.jail
        ending = Ending(jailed=jail.jailed)
        launched.broker.lend(await self._lender.lend(turn, current))
        output = Output(jail, current.heard)
        watch = Watch(turn, self._clock)
        try:
            async with watch, overtaking(turn, current, watch):
                current.watched_by(watch)
                jail.stdin.write(self._input(turn).encode("utf-8", "replace"))
                jail.stdin.close()
                return ending.exited(await self._exit(output, current, jail))
        except TimeoutError:
            await jail.kill(watch.reason)
            return ending.impatient(watch.reason, current.refusal_words)
        except asyncio.CancelledError:
            await to_the_end(jail.kill("cancelled"))
            raise
