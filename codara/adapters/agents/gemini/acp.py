"""A long-lived `gemini --acp`: one process, any number of sessions, one turn at a time."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import attrs

from codara.adapters.agents.gemini.causes import cause_of
from codara.adapters.agents.gemini.config import spoken
from codara.adapters.agents.gemini.copies import Copies
from codara.adapters.agents.gemini.parse import UNSAID, acp_line, failed
from codara.adapters.agents.gemini.reading import GeminiReading
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.listening import fresh
from codara.adapters.agents.session.rpc import Rpc
from codara.adapters.agents.session.staying import Staying
from codara.application.ports.agents import AgentTurn, FrameSink
from codara.application.ports.frames import BackendSeen
from codara.clock import Clock

START_SECONDS = 60.0
QUIET_SECONDS = 0.05
"""An old session is told to us again after it was loaded; a pause of so long is its end."""

_CLIENT: Mapping[str, Any] = {"protocolVersion": 1, "clientCapabilities": {}}
_STAMP = {"jsonrpc": "2.0"}
_COMMANDS = ("/", "$")
_REFRESH = "/memory refresh"


@attrs.frozen(kw_only=True)
class Home:
    """What a session may do to its home."""

    instruct: Callable[[str], Awaitable[None]]
    """Writes the instructions that sessions made or refreshed from now on have."""
    make_loadable: Callable[[str], Awaitable[bool]]
    """See `chats.make_loadable`."""
    copies: Copies


@attrs.frozen
class KnownThread:
    """A session this process has: the instructions and the model it was told last."""

    instructions: str
    model: str


class Acp(Staying[GeminiTurn]):
    """Gemini by its agent protocol.

    Whether it works on keys or on a login is settled at its start. With a login it learns the
    project of the account, and names it ever after: such a process keeps to its account.
    """

    def __init__(
        self, launched: Launched, turn: AgentTurn, *, home: Home, lender: Lender, clock: Clock
    ) -> None:
        super().__init__(launched, turn, lender=lender, clock=clock)
        self._instructed, self._home = turn.instructions, home
        self._login = _login_of(turn)
        self._sessions: dict[str, KnownThread] = {}
        self._rpc = Rpc(launched.jail, self._heard, stamp=_STAMP)
        self._hear(self._rpc)

    async def start(self) -> None:
        """Speaks the first words; AgentFailed if the program does not answer within 60 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._rpc.call("initialize", **_CLIENT)
        except (TimeoutError, Gone, AgentRefused) as error:
            raise self._not_started("gemini --acp", error) from error

    def serves(self, turn: AgentTurn) -> bool:
        return super().serves(turn) and _login_of(turn) == self._login

    def remembers(self, thread_ids: Collection[str]) -> bool:
        return not self._sessions.keys().isdisjoint(thread_ids)

    async def models(self, turn: AgentTurn) -> Mapping[str, str]:
        """Returns the models of a session in the turn's folder, with titles; Refused or Gone."""
        result = await self._rpc.call("session/new", quiet=True, **_place(turn))
        models = result["models"]["availableModels"]
        return {str(each["modelId"]): str(each.get("name") or "") for each in models}

    async def answers(self) -> bool:
        """Asks for something that gemini does not have, which costs it nothing."""
        with contextlib.suppress(Gone):
            try:
                await self._rpc.call("codara/ping", quiet=True)
            except AgentRefused:
                return True
        return False

    def _listening(self, sink: FrameSink, garbage: int) -> GeminiTurn:
        return GeminiTurn(sink, acp_line, self._clock, garbage)

    async def _converse(self, turn: AgentTurn, current: GeminiTurn) -> str:
        expected = await self._session(turn, current)
        current.reading = attrs.evolve(current.reading, session_id=expected)
        current.say(BackendSeen(expected))
        await self._prepare(expected, turn)
        said = _prompt(fresh(turn) if current.lost else turn)
        await self._rpc.call("session/prompt", sessionId=expected, prompt=said)
        if current.reading.ended is None:
            current.reading = attrs.evolve(current.reading, ended=UNSAID)
        return expected

    async def _session(self, turn: AgentTurn, current: GeminiTurn) -> str:
        current.reading = GeminiReading(deaf=True)
        known = turn.backend_id
        if turn.fork is not None:
            known = await self._home.copies.make(turn.fork)
        if known is not None and await self._has(turn, known, current):
            return known
        if turn.backend_id is not None or turn.fork is not None:
            current.lose_thread()
        return await self._fresh(turn)

    async def _has(self, turn: AgentTurn, session_id: str, current: GeminiTurn) -> bool:
        return session_id in self._sessions or await self._loaded(turn, session_id, current)

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
        except AgentRefused as error:
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

    def _note(self, session_id: str, result: Mapping[str, Any]) -> None:
        models = result.get("models") or {}
        known = KnownThread(self._instructed, str(models.get("currentModelId")))
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
        self._sessions[session_id] = KnownThread(turn.instructions, turn.model)

    def _heeds(self, current: GeminiTurn, reason: str) -> bool:
        return reason != "stalled" and current.reading.session_id is not None

    async def _interrupt(self, current: GeminiTurn) -> None:
        await self._rpc.notify("session/cancel", sessionId=current.reading.session_id)
        await current.decided.wait()

    def _refused(
        self, turn: AgentTurn, current: GeminiTurn, refused: AgentRefused, ending: Ending
    ) -> Ending:
        said = failed(str(refused), refused.code)
        current.reading = attrs.evolve(current.reading, ended=said)
        return ending

    async def _forgets(self, thread_id: str, refused: AgentRefused) -> bool:
        known = cause_of(str(refused), refused.code) == "unknown_session"
        return known and self._sessions.pop(thread_id, None) is not None

    async def _after(self, current: GeminiTurn) -> None:
        """gemini tells no message's id; it is in its record."""
        if current.has_ended and current.reading.session_id is not None:
            current.mark = await self._home.copies.mark(current.reading.session_id)


def _login_of(turn: AgentTurn) -> str | None:
    """The account, if it is a login."""
    return turn.account_id if turn.on_login else None


async def _told(current: GeminiTurn) -> None:
    """Waits until gemini has stopped telling the old session."""
    before = -1
    while before != current.dropped:
        before = current.dropped
        await asyncio.sleep(QUIET_SECONDS)


def _prompt(turn: AgentTurn) -> list[dict[str, str]]:
    pictures = [
        {"type": "image", "mimeType": each.media_type, "data": b64encode(each.data).decode()}
        for each in turn.images
    ]
    return [{"type": "text", "text": spoken(turn.prompt, _COMMANDS)}, *pictures]


def _place(turn: AgentTurn) -> dict[str, Any]:
    return {"cwd": str(turn.folder), "mcpServers": []}
