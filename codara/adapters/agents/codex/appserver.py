"""A long-lived `codex app-server`: one process, any number of threads, one turn at a time."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import attrs

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.lender import Lender
from codara.adapters.agents.codex.outcome import Ending, outcome_of
from codara.adapters.agents.codex.parse import Message, appserver_line
from codara.adapters.agents.codex.reading import Reading, Tokens
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.leftovers import left_running
from codara.adapters.agents.rpc import Gone, Rpc, RpcError
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, Warned
from codara.clock import Clock
from codara.errors import AgentFailed

START_SECONDS = 30.0
INTERRUPT_SECONDS = 2.0
CLOSE_SECONDS = 1.0
FRESH_THREAD = "fresh_thread"
PATIENCE = {
    "stalled": "the agent made no progress",
    "timeout": "the turn took longer than it may",
}

_CLIENT = {"name": "codara", "title": "Codara", "version": "1"}
_OWN = ("codex", "bwrap", "prlimit")
_COMM_LENGTH = 15


@attrs.frozen
class Thread:
    """A thread this process has loaded: the instructions it was told last, and its token count."""

    instructions: str
    total: Tokens | None


class AppServer:
    """The session of one home; whoever started it calls `close`."""

    keeps = True

    def __init__(
        self, jail: Jail, turn: AgentTurn, *, program: str, lender: Lender, clock: Clock
    ) -> None:
        self._jail = jail
        self._own = (*_OWN, program[:_COMM_LENGTH])
        self._folder, self._read_only = turn.folder, turn.read_only
        self._lender = lender
        self._clock = clock
        self._threads: dict[str, Thread] = {}
        self._turn: CodexTurn | None = None
        self._garbage = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rpc = Rpc(jail, self._heard)
        self._rpc.when_ended(self._over)

    async def start(self) -> None:
        """Speaks the first words; AgentFailed if the program does not answer within 30 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._rpc.call("initialize", clientInfo=_CLIENT)
                await self._rpc.notify("initialized")
        except (TimeoutError, Gone, RpcError) as error:
            told = self._jail.stderr()[-2000:].decode("utf-8", "replace").strip() or repr(error)
            raise AgentFailed(f"codex app-server did not start: {told}", cause="crashed") from error

    def serves(self, turn: AgentTurn) -> bool:
        return (turn.folder, turn.read_only) == (self._folder, self._read_only)

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        current = CodexTurn(sink, appserver_line, self._clock, self._garbage)
        self._turn, self._garbage = current, 0
        try:
            lending = await self._lender.lend(turn, current)
            self._jail.broker.lend(lending)
            ending = await self._ending(turn, current)
        finally:
            self._turn = None
            self._jail.broker.withdraw()
            self._note(current.reading)
        current.complain()
        return outcome_of(current.reading, ending)

    async def models(self) -> Sequence[str]:
        """What the CLI lists; RpcError or Gone when it does not."""
        result = await self._rpc.call("model/list", quiet=True)
        return [str(model["model"]) for model in result.get("data", [])]

    async def answers(self) -> bool:
        """Asks for something that costs the program nothing."""
        with contextlib.suppress(RpcError, Gone):
            await self._rpc.call("thread/loaded/list", quiet=True)
            return True
        return False

    async def close(self) -> None:
        await self._jail.close(CLOSE_SECONDS)
        await self._rpc.ended()

    async def _ending(self, turn: AgentTurn, current: CodexTurn) -> Ending:
        ending = Ending(jailed=self._jail.jailed)
        watch = Watch(turn, self._clock)
        try:
            async with watch:
                current.watched_by(watch)
                expected = await self._converse(turn, current)
                ending = attrs.evolve(ending, expected=expected)
        except TimeoutError:
            ending = attrs.evolve(ending, stopped=watch.reason, message=PATIENCE[watch.reason])
            await to_the_end(self._stop(current, watch.reason))
        except RpcError as error:
            cause = cause_of(str(error))
            ending = attrs.evolve(ending, stopped=cause, message=str(error))
        except Gone:
            pass
        except asyncio.CancelledError:
            await to_the_end(self._stop(current, "cancelled"))
            raise
        await to_the_end(self._tidy(current))
        return await self._with_exit(ending, current)

    async def _converse(self, turn: AgentTurn, current: CodexTurn) -> str:
        expected = await self._thread(turn, current)
        current.say(BackendSeen(expected))
        self._threads[expected] = Thread(turn.instructions, current.reading.total)
        lost = turn.backend_id is not None and expected != turn.backend_id
        said = _input(turn, turn.fresh_prompt if lost else turn.prompt)
        await self._rpc.call("turn/start", threadId=expected, input=said, model=turn.model)
        await current.ended.wait()
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
        except RpcError as error:
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

    async def _stop(self, current: CodexTurn, reason: str) -> None:
        """By its protocol first; a silent agent, or one with a tool at work, is killed."""
        reading = current.reading
        if reason == "stalled" or reading.running or reading.turn_id is None:
            await self._kill(reason)
            return
        try:
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await self._rpc.call(
                    "turn/interrupt", threadId=reading.thread_id, turnId=reading.turn_id
                )
                await current.ended.wait()
        except (TimeoutError, Gone, RpcError):
            await self._kill(reason)
        await self._tidy(current)

    async def _tidy(self, current: CodexTurn) -> None:
        """A turn ends with everything it started: what still runs could write to the workspace."""
        if not self._rpc.alive or not current.ran_commands:
            return
        left: list[str] = await asyncio.to_thread(left_running, self._jail.inner_pid, self._own)
        if left or current.reading.running:
            await self._kill("a tool outlived its turn")

    async def _kill(self, reason: str) -> None:
        await self._jail.kill(reason)
        await self._rpc.ended()

    def _note(self, reading: Reading) -> None:
        known = self._threads.get(reading.thread_id or "")
        if known is not None and reading.thread_id is not None:
            self._threads[reading.thread_id] = attrs.evolve(known, total=reading.total)

    async def _with_exit(self, ending: Ending, current: CodexTurn) -> Ending:
        ending = attrs.evolve(ending, retry_at=current.retry_at)
        if self._rpc.alive or ending.stopped is not None or current.reading.ended is not None:
            return ending
        found = await self._rpc.ended()
        if found.too_long:
            return attrs.evolve(ending, stopped="protocol", message="a line without end")
        return attrs.evolve(ending, exit_code=found.code, stderr=found.stderr)

    def _heard(self, line: bytes, message: Message | None) -> None:
        if self._turn is not None:
            self._turn.heard(line, message)
        elif message is None:
            self._garbage += 1

    def _over(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        if self._turn is not None:
            self._turn.ended.set()


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
