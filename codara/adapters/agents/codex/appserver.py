"""A long-lived `codex app-server`: one process, any number of threads, one turn at a time."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.answers import Gone, Refused
from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.parse import appserver_line
from codara.adapters.agents.codex.reading import Reading, Tokens
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.ending import Ending
from codara.adapters.agents.lender import Lender
from codara.adapters.agents.listening import FRESH_THREAD
from codara.adapters.agents.rpc import Rpc
from codara.adapters.agents.staying import Staying
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink
from codara.application.ports.frames import BackendSeen, Warned
from codara.clock import Clock

START_SECONDS = 30.0
HELPER = "codex-code-mode-host"
"""Lies beside codex, which starts it with its first tool and keeps it."""

_CLIENT = {"name": "codara", "title": "Codara", "version": "1"}


@attrs.frozen
class Thread:
    """A thread this process has loaded: the instructions it was told last, and its token count."""

    instructions: str
    total: Tokens | None


class AppServer(Staying[CodexTurn]):
    """Codex by its app-server."""

    def __init__(
        self, jail: Jail, turn: AgentTurn, *, program: Path, lender: Lender, clock: Clock
    ) -> None:
        super().__init__(jail, turn, lender=lender, clock=clock)
        self.helpers = (program.with_name(HELPER),)
        self._threads: dict[str, Thread] = {}
        self._rpc = Rpc(jail, self._heard)
        self._hear(self._rpc)

    async def start(self) -> None:
        """Speaks the first words; AgentFailed if the program does not answer within 30 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._rpc.call("initialize", clientInfo=_CLIENT)
                await self._rpc.notify("initialized")
        except (TimeoutError, Gone, Refused) as error:
            raise self._not_started("codex app-server", error) from error

    async def models(self) -> Sequence[str]:
        """What the CLI lists; Refused or Gone when it does not."""
        result = await self._rpc.call("model/list", quiet=True)
        return [str(model["model"]) for model in result.get("data", [])]

    async def answers(self) -> bool:
        """Asks for something that costs the program nothing."""
        with contextlib.suppress(Refused, Gone):
            await self._rpc.call("thread/loaded/list", quiet=True)
            return True
        return False

    def _listening(self, sink: FrameSink, garbage: int) -> CodexTurn:
        return CodexTurn(sink, appserver_line, self._clock, garbage)

    async def _converse(self, turn: AgentTurn, current: CodexTurn) -> str:
        expected = await self._thread(turn, current)
        current.say(BackendSeen(expected))
        self._threads[expected] = Thread(turn.instructions, current.reading.total)
        lost = turn.backend_id is not None and expected != turn.backend_id
        said = _input(turn, turn.fresh_prompt if lost else turn.prompt)
        await self._rpc.call("turn/start", threadId=expected, input=said, model=turn.model)
        await current.decided.wait()
        return expected

    async def _thread(self, turn: AgentTurn, current: CodexTurn) -> str:
        known = self._threads.get(turn.backend_id or "")
        if turn.backend_id is None:
            thread_id = await self._fresh(turn, current)
        elif known is not None:
            thread_id = turn.backend_id
            current.reading = Reading(thread_id=thread_id, total=known.total)
            await self._instruct(thread_id, turn.instructions, known.instructions)
        else:
            thread_id = await self._resumed(turn, current)
        return thread_id

    async def _fresh(self, turn: AgentTurn, current: CodexTurn) -> str:
        result = await self._rpc.call("thread/start", **_thread_settings(turn))
        thread_id = str(result["thread"]["id"])
        current.reading = Reading(thread_id=thread_id, total=Tokens())
        return thread_id

    async def _resumed(self, turn: AgentTurn, current: CodexTurn) -> str:
        settings = _thread_settings(turn)
        try:
            result = await self._rpc.call(
                "thread/resume", threadId=turn.backend_id, excludeTurns=True, **settings
            )
        except Refused as error:
            if cause_of(str(error)) != "unknown_session":
                raise
            current.say(Warned(FRESH_THREAD))
            return await self._fresh(turn, current)
        thread_id = str(result["thread"]["id"])
        current.reading = Reading(thread_id=thread_id)
        await self._instruct(thread_id, turn.instructions, "")
        return thread_id

    async def _instruct(self, thread_id: str, instructions: str, told: str) -> None:
        """codex takes developer instructions at a thread's start only: later ones are injected."""
        if not instructions or instructions == told:
            return
        content = [{"type": "input_text", "text": instructions}]
        item = {"type": "message", "role": "developer", "content": content}
        await self._rpc.call("thread/inject_items", threadId=thread_id, items=[item])

    def _heeds(self, current: CodexTurn, reason: str) -> bool:
        """A silent codex does not, nor one with a tool at work: that would go on."""
        reading = current.reading
        return reason != "stalled" and not reading.running and reading.turn_id is not None

    async def _interrupt(self, current: CodexTurn) -> None:
        reading = current.reading
        await self._rpc.call("turn/interrupt", threadId=reading.thread_id, turnId=reading.turn_id)
        await current.decided.wait()

    def _refused(
        self, turn: AgentTurn, current: CodexTurn, refused: Refused, ending: Ending
    ) -> Ending:
        cause = cause_of(str(refused))
        return attrs.evolve(ending, stopped=cause, message=str(refused))

    async def _forgets(self, thread_id: str, refused: Refused) -> bool:
        known = cause_of(str(refused)) == "unknown_session"
        return known and self._threads.pop(thread_id, None) is not None

    def _left(self, current: CodexTurn) -> bool:
        return bool(current.reading.running) or super()._left(current)

    async def _after(self, current: CodexTurn) -> None:
        """Notes the thread's token count."""
        reading = current.reading
        known = self._threads.get(reading.thread_id or "")
        if known is not None and reading.thread_id is not None:
            self._threads[reading.thread_id] = attrs.evolve(known, total=reading.total)


def _input(turn: AgentTurn, text: str) -> list[dict[str, str]]:
    pictures = [
        {"type": "image", "url": f"data:{each.media_type};base64,{b64encode(each.data).decode()}"}
        for each in turn.images
    ]
    return [{"type": "text", "text": text}, *pictures]


def _thread_settings(turn: AgentTurn) -> dict[str, Any]:
    settings = {
        "cwd": str(turn.folder),
        "model": turn.model,
        "approvalPolicy": "never",
        "sandbox": "danger-full-access",
    }
    return settings | ({"developerInstructions": turn.instructions} if turn.instructions else {})
