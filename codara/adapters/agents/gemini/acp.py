"""A long-lived `gemini --acp`: one process, any number of sessions, one turn at a time."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from codara.adapters.agents.gemini.causes import cause_of
from codara.adapters.agents.gemini.lender import Lender
from codara.adapters.agents.gemini.outcome import Ending, outcome_of
from codara.adapters.agents.gemini.parse import Message, acp_line, failed
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.leftovers import strangers
from codara.adapters.agents.rpc import Gone, Rpc, RpcError
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail import processes
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, Warned
from codara.clock import Clock
from codara.errors import AgentFailed

START_SECONDS = 60.0
INTERRUPT_SECONDS = 2.0
CLOSE_SECONDS = 1.0
QUIET_SECONDS = 0.05
"""An old session is told to us again after it was loaded; a pause of so long is its end."""
FRESH_THREAD = "fresh_thread"
PATIENCE = {
    "stalled": "the agent made no progress",
    "timeout": "the turn took longer than it may",
}

_CLIENT: Mapping[str, Any] = {"protocolVersion": 1, "clientCapabilities": {}}
_STAMP = {"jsonrpc": "2.0"}
_COMMANDS = ("/", "$")
_AS_TEXT = "The message:\n"
_REFRESH = "/memory refresh"


@attrs.frozen(kw_only=True)
class Home:
    """What a session may do to its home."""

    instruct: Callable[[str], Awaitable[None]]
    """Writes the instructions that sessions made or refreshed from now on have."""
    make_loadable: Callable[[str], Awaitable[bool]]
    """See `chats.make_loadable`."""
    listed: Callable[[Sequence[str]], None]
    """Gets to know the models that gemini lists."""


@attrs.frozen
class Known:
    """A session this process has: the instructions and the model it was told last."""

    instructions: str
    model: str


class Acp:
    """The session of one home; whoever started it calls `close`."""

    keeps = True

    def __init__(
        self, jail: Jail, turn: AgentTurn, *, home: Home, lender: Lender, clock: Clock
    ) -> None:
        self._jail = jail
        self._folder, self._read_only = turn.folder, turn.read_only
        self._instructed, self._home = turn.instructions, home
        self._lender = lender
        self._clock = clock
        self._sessions: dict[str, Known] = {}
        self._turn: GeminiTurn | None = None
        self._garbage = 0
        self._own: frozenset[int] = frozenset()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rpc = Rpc(jail, self._heard, stamp=_STAMP)
        self._rpc.when_ended(self._over)

    async def start(self) -> None:
        """Speaks the first words; AgentFailed if the program does not answer within 60 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._rpc.call("initialize", **_CLIENT)
        except (TimeoutError, Gone, RpcError) as error:
            told = self._jail.stderr()[-2000:].decode("utf-8", "replace").strip() or repr(error)
            raise AgentFailed(f"gemini --acp did not start: {told}", cause="crashed") from error
        self._own = frozenset(await asyncio.to_thread(processes.descendants, self._jail.inner_pid))

    def serves(self, turn: AgentTurn) -> bool:
        return (turn.folder, turn.read_only) == (self._folder, self._read_only)

    async def answers(self) -> bool:
        """Asks for something that gemini does not have, which costs it nothing."""
        with contextlib.suppress(Gone):
            try:
                await self._rpc.call("codara/ping", quiet=True)
            except RpcError:
                return True
        return False

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        current = GeminiTurn(sink, acp_line, self._clock, self._garbage)
        self._turn, self._garbage = current, 0
        try:
            lending = await self._lender.lend(turn, current)
            self._jail.broker.lend(lending)
            ending = await self._ending(turn, current)
        finally:
            self._turn = None
            self._jail.broker.withdraw()
        current.complain()
        return outcome_of(current.reading, ending)

    async def close(self) -> None:
        await self._jail.close(CLOSE_SECONDS)
        await self._rpc.ended()

    async def _ending(self, turn: AgentTurn, current: GeminiTurn) -> Ending:
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
            said = failed(str(error), error.code)
            current.reading = attrs.evolve(current.reading, ended=said)
        except Gone:
            pass
        except asyncio.CancelledError:
            await to_the_end(self._stop(current, "cancelled"))
            raise
        await to_the_end(self._tidy(current))
        return await self._with_exit(current.overhear(ending), current)

    async def _converse(self, turn: AgentTurn, current: GeminiTurn) -> str:
        expected = await self._session(turn, current)
        current.reading = attrs.evolve(current.reading, session_id=expected)
        current.say(BackendSeen(expected))
        await self._prepare(expected, turn)
        lost = turn.backend_id is not None and expected != turn.backend_id
        said = _prompt(turn, turn.fresh_prompt if lost else turn.prompt)
        await self._rpc.call("session/prompt", sessionId=expected, prompt=said)
        return expected

    async def _session(self, turn: AgentTurn, current: GeminiTurn) -> str:
        current.reading = attrs.evolve(current.reading, deaf=True)
        if turn.backend_id is None:
            return await self._fresh(turn)
        if turn.backend_id in self._sessions:
            return turn.backend_id
        if await self._loaded(turn, turn.backend_id, current):
            return turn.backend_id
        current.say(Warned(FRESH_THREAD))
        return await self._fresh(turn)

    async def _fresh(self, turn: AgentTurn) -> str:
        await self._instruct(turn.instructions)
        result = await self._rpc.call("session/new", quiet=True, **_place(turn))
        session_id = str(result["sessionId"])
        self._note(session_id, result)
        return session_id

    async def _loaded(self, turn: AgentTurn, session_id: str, current: GeminiTurn) -> bool:
        if not await self._home.make_loadable(session_id):
            return False
        await self._instruct(turn.instructions)
        try:
            result = await self._rpc.call(
                "session/load", quiet=True, sessionId=session_id, **_place(turn)
            )
        except RpcError as error:
            if cause_of(str(error)) != "unknown_session":
                raise
            return False
        self._note(session_id, result)
        await _told(current)
        return True

    async def _instruct(self, instructions: str) -> None:
        if instructions != self._instructed:
            await self._home.instruct(instructions)
            self._instructed = instructions

    def _note(self, session_id: str, result: Message) -> None:
        models = result.get("models") or {}
        self._home.listed([str(each["modelId"]) for each in models.get("availableModels") or ()])
        known = Known(self._instructed, str(models.get("currentModelId")))
        self._sessions[session_id] = known

    async def _prepare(self, session_id: str, turn: AgentTurn) -> None:
        """The session gets the turn's model and instructions, where they have changed."""
        known = self._sessions[session_id]
        if known.model != turn.model:
            await self._rpc.call(
                "session/set_model", quiet=True, sessionId=session_id, modelId=turn.model
            )
        if known.instructions != turn.instructions:
            await self._instruct(turn.instructions)
            refresh = [{"type": "text", "text": _REFRESH}]
            await self._rpc.call("session/prompt", quiet=True, sessionId=session_id, prompt=refresh)
        self._sessions[session_id] = Known(turn.instructions, turn.model)

    async def _stop(self, current: GeminiTurn, reason: str) -> None:
        """By its protocol first; a silent agent is killed."""
        session_id = current.reading.session_id
        if reason == "stalled" or session_id is None:
            await self._kill(reason)
            return
        try:
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await self._rpc.notify("session/cancel", sessionId=session_id)
                await current.ended.wait()
        except (TimeoutError, Gone, RpcError):
            await self._kill(reason)
        await self._tidy(current)

    async def _tidy(self, current: GeminiTurn) -> None:
        """A turn ends with everything it started: what still runs could write to the workspace."""
        if not self._rpc.alive or not current.ran_tools:
            return
        if await asyncio.to_thread(strangers, self._jail.inner_pid, self._own):
            await self._kill("a tool outlived its turn")

    async def _kill(self, reason: str) -> None:
        await self._jail.kill(reason)
        await self._rpc.ended()

    async def _with_exit(self, ending: Ending, current: GeminiTurn) -> Ending:
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


async def _told(current: GeminiTurn) -> None:
    """Waits until gemini has stopped telling the old session."""
    before = -1
    while before != current.dropped:
        before = current.dropped
        await asyncio.sleep(QUIET_SECONDS)


def _prompt(turn: AgentTurn, text: str) -> list[dict[str, str]]:
    """The prompt's parts; what would be one of gemini's own commands is marked as a message."""
    safe = _AS_TEXT + text if text.lstrip().startswith(_COMMANDS) else text
    pictures = [
        {"type": "image", "mimeType": each.media_type, "data": b64encode(each.data).decode()}
        for each in turn.images
    ]
    return [{"type": "text", "text": safe}, *pictures]


def _place(turn: AgentTurn) -> dict[str, Any]:
    return {"cwd": str(turn.folder), "mcpServers": []}
