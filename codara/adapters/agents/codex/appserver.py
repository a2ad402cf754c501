"""A long-lived `codex app-server`: one process, any number of threads, one turn at a time."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import attrs

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.forgetting import Forgotten
from codara.adapters.agents.codex.parse import appserver_line
from codara.adapters.agents.codex.reading import CodexReading
from codara.adapters.agents.codex.rollouts import Look
from codara.adapters.agents.codex.told import ToldInstructions
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.counts import TokenCounts
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.listening import fresh
from codara.adapters.agents.session.rpc import Rpc
from codara.adapters.agents.session.staying import Staying
from codara.application.ports.agents import AgentTurn, Fork, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen
from codara.clock import Clock

START_SECONDS = 30.0
HELPER = "codex-code-mode-host"
"""Lies beside codex, which starts it with its first tool and keeps it."""

_CLIENT = {"name": "codara", "title": "Codara", "version": "1"}


class AppServer(Staying[CodexTurn]):
    """Codex by its app-server."""

    def __init__(
        self,
        launched: Launched,
        turn: AgentTurn,
        *,
        told: ToldInstructions,
        forgotten: Forgotten,
        look: Look,
        lender: Lender,
        clock: Clock,
    ) -> None:
        super().__init__(launched, turn, lender=lender, clock=clock)
        self.helpers = (launched.program.path.with_name(HELPER),)
        self._told = told
        self._forgotten = forgotten
        self._look = look
        self._totals: dict[str, TokenCounts | None] = {}
        """The token counts of the threads this process has loaded."""
        self._with_effort: set[str] = set()
        self._rpc = Rpc(launched.jail, self._heard)
        self._hear(self._rpc)

    async def start(self) -> None:
        """Speaks the first words; AgentFailed if the program does not answer within 30 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._rpc.call("initialize", clientInfo=_CLIENT)
                await self._rpc.notify("initialized")
        except (TimeoutError, Gone, AgentRefused) as error:
            raise self._not_started("codex app-server", error) from error

    async def answers(self) -> bool:
        """Asks for something that costs the program nothing."""
        with contextlib.suppress(AgentRefused, Gone):
            await self._rpc.call("thread/loaded/list", quiet=True)
            return True
        return False

    def serves(self, turn: AgentTurn) -> bool:
        """Tells whether the turn can run here: an effort holds for the later turns of its thread.

        codex takes another one, but nothing that says "the model's own again".
        """
        held = not turn.effort and turn.backend_id in self._with_effort
        return not held and super().serves(turn)

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        return await super().run(await self._forgotten.without(turn), sink)

    async def forget(self, backend_ids: Sequence[str]) -> None:
        """Has the threads deleted, with what stands of them in codex's databases."""

        async def delete(thread_id: str) -> None:
            self._totals.pop(thread_id, None)
            await self._rpc.call("thread/delete", threadId=thread_id)

        await self._forgotten.add(backend_ids, delete)

    def _listening(self, sink: FrameSink, garbage: int) -> CodexTurn:
        return CodexTurn(sink, appserver_line, self._clock, garbage)

    async def _converse(self, turn: AgentTurn, current: CodexTurn) -> str:
        expected = await self._thread(turn, current)
        current.say(BackendSeen(expected))
        self._totals[expected] = current.reading.total
        said = _input(fresh(turn) if current.lost else turn)
        how: dict[str, Any] = {"model": turn.model} | (
            {"effort": turn.effort} if turn.effort else {}
        )
        if turn.effort:
            self._with_effort.add(expected)
        await self._rpc.call("turn/start", threadId=expected, input=said, **how)
        await current.decided.wait()
        return expected

    async def copy(self, turn: AgentTurn, fork: Fork) -> str | None:
        """A copy of a thread up to a turn of it, told nothing; None if codex has lost either.

        It is on the disk at once, and stands without the process.
        """
        settings = _thread_settings(turn)
        try:
            result = await self._rpc.call(
                "thread/fork",
                threadId=fork.backend_id,
                lastTurnId=fork.mark,
                excludeTurns=True,
                **settings,
            )
        except AgentRefused:
            return None
        return str(result["thread"]["id"])

    async def _thread(self, turn: AgentTurn, current: CodexTurn) -> str:
        if turn.fork is not None:
            return await self._forked(turn, turn.fork, current)
        if turn.backend_id is None:
            return await self._fresh(turn, current)
        if turn.backend_id not in self._totals:
            return await self._resumed(turn, turn.backend_id, current)
        total = self._totals[turn.backend_id]
        current.reading = CodexReading(thread_id=turn.backend_id, total=total)
        await self._instruct(turn.backend_id, turn.instructions)
        return turn.backend_id

    async def _forked(self, turn: AgentTurn, fork: Fork, current: CodexTurn) -> str:
        copy = await self.copy(turn, fork)
        if copy is None:
            current.lose_thread()
            return await self._fresh(turn, current)
        noted = await self._look(copy)
        current.reading = CodexReading(thread_id=copy, total=noted.total if noted else None)
        await self._told.inherit(copy, fork.backend_id)
        await self._instruct(copy, turn.instructions)
        return copy

    async def _fresh(self, turn: AgentTurn, current: CodexTurn) -> str:
        result = await self._rpc.call("thread/start", **_thread_settings(turn))
        thread_id = str(result["thread"]["id"])
        current.reading = CodexReading(thread_id=thread_id, total=TokenCounts())
        await self._told.note(thread_id, turn.instructions, begins=True)
        return thread_id

    async def _resumed(self, turn: AgentTurn, known: str, current: CodexTurn) -> str:
        settings = _thread_settings(turn)
        noted = await self._look(known)
        try:
            result = await self._rpc.call(
                "thread/resume", threadId=known, excludeTurns=True, **settings
            )
        except AgentRefused as error:
            if cause_of(str(error)) != "unknown_session":
                raise
            current.lose_thread()
            return await self._fresh(turn, current)
        thread_id = str(result["thread"]["id"])
        current.reading = CodexReading(thread_id=thread_id, total=noted.total if noted else None)
        await self._instruct(thread_id, turn.instructions)
        return thread_id

    async def _instruct(self, thread_id: str, instructions: str) -> None:
        """codex takes developer instructions at a thread's start only: changes are injected."""
        change = await self._told.change(thread_id, instructions)
        if not change:
            return
        content = [{"type": "input_text", "text": change}]
        item = {"type": "message", "role": "developer", "content": content}
        await self._rpc.call("thread/inject_items", threadId=thread_id, items=[item])
        await self._told.note(thread_id, instructions)

    def _heeds(self, current: CodexTurn, reason: str) -> bool:
        """A silent codex does not, nor one with a tool at work: that would go on."""
        reading = current.reading
        return reason != "stalled" and not reading.running and reading.turn_id is not None

    async def _interrupt(self, current: CodexTurn) -> None:
        reading = current.reading
        await self._rpc.call("turn/interrupt", threadId=reading.thread_id, turnId=reading.turn_id)
        await current.decided.wait()

    def _refused(
        self, turn: AgentTurn, current: CodexTurn, refused: AgentRefused, ending: Ending
    ) -> Ending:
        cause = cause_of(str(refused))
        return attrs.evolve(ending, stopped=cause, message=str(refused))

    async def _forgets(self, thread_id: str, refused: AgentRefused) -> bool:
        known = cause_of(str(refused)) == "unknown_session"
        if not known or thread_id not in self._totals:
            return False
        del self._totals[thread_id]
        return True

    def _left(self, current: CodexTurn) -> bool:
        return bool(current.reading.running) or super()._left(current)

    async def _after(self, current: CodexTurn) -> None:
        """Notes the thread's token count, and what a turn took that was stopped untold."""
        reading = current.reading
        if reading.thread_id is None or reading.thread_id not in self._totals:
            return
        self._totals[reading.thread_id] = reading.total
        if not current.is_counted and reading.turn_id is not None:
            noted = await self._look(reading.thread_id)
            if noted is not None and noted.turn_id == reading.turn_id:
                current.settle(noted)


def _input(turn: AgentTurn) -> list[dict[str, str]]:
    pictures = [
        {"type": "image", "url": f"data:{each.media_type};base64,{b64encode(each.data).decode()}"}
        for each in turn.images
    ]
    return [{"type": "text", "text": turn.prompt}, *pictures]


def _thread_settings(turn: AgentTurn) -> dict[str, Any]:
    settings = {
        "cwd": str(turn.folder),
        "model": turn.model,
        "approvalPolicy": "never",
        "sandbox": "danger-full-access",
    }
    return settings | ({"developerInstructions": turn.instructions} if turn.instructions else {})
