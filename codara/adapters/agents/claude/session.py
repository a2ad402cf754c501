"""A claude that stays: one process, one thread, one turn at a time."""

import asyncio
from collections.abc import Collection, Mapping

from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.process import ClaudeProcess
from codara.adapters.agents.claude.prompt import message_of
from codara.adapters.agents.claude.reading import NOTHING
from codara.adapters.agents.claude.turn import ClaudeTurn
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.listening import fresh
from codara.adapters.agents.session.staying import CLOSE_SECONDS, Staying
from codara.application.ports.agents import AgentTurn, FrameSink
from codara.clock import Clock

START_SECONDS = 30.0


class LostThread(Exception):
    """claude does not know the thread it was to go on with."""


class ClaudeSession(Staying[ClaudeTurn]):
    """Claude in one thread; the copy of another one, if it was started for a turn with a `fork`.

    What a process is told at its start (folder, model, effort, instructions, thread, whether it
    works on a login) it keeps: a turn that differs in any of them needs another one.
    """

    def __init__(
        self,
        launched: Launched,
        turn: AgentTurn,
        thread_id: str,
        *,
        lender: Lender,
        clock: Clock,
    ) -> None:
        super().__init__(launched, turn, lender=lender, clock=clock)
        self._thread_id = thread_id
        self._fork = turn.fork
        self._told = _told(turn)
        self._used = False
        self.listed: Mapping[str, str] = {}
        self._spent = NOTHING
        self._process = ClaudeProcess(launched.jail, self._heard)
        self._hear(self._process)

    async def start(self) -> None:
        """Speaks the first words, which tell what claude lists.

        Raises LostThread, or AgentFailed if the program does not answer within 30 s.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                found = await self._process.ask("initialize")
        except (TimeoutError, Gone, AgentRefused) as error:
            if cause_of(self._last_words()) == "unknown_session":
                raise LostThread from error
            raise self._not_started("claude", error) from error
        models = found.get("models") or ()
        self.listed = {
            str(model["value"]): str(model.get("displayName") or "")
            for model in models
            if "value" in model
        }

    def serves(self, turn: AgentTurn) -> bool:
        unused = turn.backend_id is None and not self._used and turn.fork == self._fork
        same_thread = unused or turn.backend_id == self._thread_id
        return same_thread and _told(turn) == self._told and super().serves(turn)

    def remembers(self, thread_ids: Collection[str]) -> bool:
        """It holds the thread that it is to copy as well."""
        copied = self._fork is not None and self._fork.backend_id in thread_ids
        return copied or self._thread_id in thread_ids

    async def answers(self) -> bool:
        """Asks for something that costs the program nothing; a refusal is an answer, too."""
        try:
            await self._process.ask("mcp_status")
        except AgentRefused:
            return True
        except Gone:
            return False
        return True

    def _listening(self, sink: FrameSink, garbage: int) -> ClaudeTurn:
        self._used = True
        return ClaudeTurn(sink, self._clock, spent=self._spent, garbage=garbage)

    async def _converse(self, turn: AgentTurn, current: ClaudeTurn) -> str:
        another = turn.backend_id not in (None, self._thread_id)
        if another or turn.fork not in (None, self._fork):
            current.lose_thread()
        await self._process.say(message_of(fresh(turn) if current.lost else turn))
        await current.decided.wait()
        return self._thread_id

    def _heeds(self, current: ClaudeTurn, reason: str) -> bool:
        """Even a silent claude does, and ends its tools as well."""
        return True

    async def _interrupt(self, current: ClaudeTurn) -> None:
        await self._process.ask("interrupt")
        await current.decided.wait()

    async def _leave(self, reason: str) -> None:
        """claude writes a turn down a little after its end: killed at once, it would forget it."""
        self._jail.stdin.close()
        await asyncio.wait({self.ended}, timeout=CLOSE_SECONDS)
        await self._kill(reason)

    async def _after(self, current: ClaudeTurn) -> None:
        self._spent = current.reading.spent


def _told(turn: AgentTurn) -> tuple[object, ...]:
    return turn.model, turn.effort, turn.instructions, turn.on_login
