"""A long-lived `opencode serve`: one process, any number of sessions, one turn at a time."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import orjson

from codara.adapters.agents.opencode import asking
from codara.adapters.agents.opencode.causes import cause_of
from codara.adapters.agents.opencode.config import ModelName
from codara.adapters.agents.opencode.parse import serve_event
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.opencode.wire import OpenCodeWire
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.lines import Message, heard_in
from codara.adapters.agents.session.listening import fresh
from codara.adapters.agents.session.output import ENDLESS, Output, unreadable
from codara.adapters.agents.session.staying import CLOSE_SECONDS, Staying
from codara.adapters.agents.session.watch import to_the_end
from codara.amount import TooMuch
from codara.application.ports.agents import AgentTurn, Fork, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen
from codara.clock import Clock

START_SECONDS = 30.0
SETTLE_SECONDS = 10.0
"""Seen on a starved machine: the events of a first turn more than a second after its answer."""

_LISTENS = re.compile(rb"listening on http://[^:]+:(\d+)")
_UNKNOWN = (400, 404)
_SESSION_ID = re.compile(rf"{asking.SESSION_PREFIX}[0-9A-Za-z]+")
_AT_ONCE = 4
"""Deletions under way together: as many as there are sockets for."""
_NOISE = frozenset({"server.heartbeat", "plugin.added", "session.diff", "file.watcher.updated"})


class OpenCodeServer(Staying[OpencodeTurn]):
    """OpenCode by its server; `completed` hears of each model with which a turn completed."""

    settles_tools = False

    def __init__(
        self,
        launched: Launched,
        turn: AgentTurn,
        *,
        models: frozenset[str],
        completed: Callable[[str], None],
        password: str,
        folder: Path,
        lender: Lender,
        clock: Clock,
    ) -> None:
        super().__init__(launched, turn, lender=lender, clock=clock)
        self._models = models
        self._completed = completed
        self._password = password
        self._folder = folder
        self._known: set[str] = set()
        self._asking: asyncio.Task[Any] | None = None
        self._wire: OpenCodeWire | None = None
        self._listener: asyncio.Task[None] | None = None
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._greeted = asyncio.Event()
        self._broken = ""
        self._hear(Output(launched.jail, self._wrote))

    async def start(self) -> None:
        """Waits until it listens and sends its events; AgentFailed if not within 30 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                self._wire = OpenCodeWire(
                    self._jail, await self._port, self._password, self._folder
                )
                await self._open_wire().refill()
                self._listener = asyncio.create_task(self._listen(), name="events of opencode")
                await self._greeted.wait()
            self._open_wire()
        except (TimeoutError, Gone) as error:
            raise self._not_started("opencode serve", error) from error

    def serves(self, turn: AgentTurn) -> bool:
        return super().serves(turn) and str(ModelName.of(turn.model)) in self._models

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        outcome = await super().run(turn, sink)
        if outcome.status == "completed":
            self._completed(turn.model)
        return outcome

    async def answers(self) -> bool:
        """Asks how it is, which costs it nothing; a refusal is an answer, too."""
        try:
            await self._open_wire().refill()
            await self._open_wire().get("/global/health")
        except AgentRefused:
            return True
        except Gone:
            return False
        return True

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})
        if self._wire is not None:
            await self._wire.close()
        await self._jail.close(grace=0)
        await self._let_go()

    async def forget(self, backend_ids: Sequence[str]) -> None:
        """Has the sessions deleted, with the sessions of their sub-agents."""
        wire = self._open_wire()
        ids = [each for each in backend_ids if _SESSION_ID.fullmatch(each)]
        for at in range(0, len(ids), _AT_ONCE):
            await wire.refill()
            await asyncio.gather(*(self._delete(wire, each) for each in ids[at : at + _AT_ONCE]))

    async def _delete(self, wire: OpenCodeWire, session_id: str) -> None:
        self._known.discard(session_id)
        try:
            await wire.delete(f"/session/{session_id}")
        except AgentRefused as refused:
            if refused.code not in _UNKNOWN:
                raise

    def _listening(self, sink: FrameSink, garbage: int) -> OpencodeTurn:
        return OpencodeTurn(sink, serve_event, self._clock, garbage)

    async def _ending(self, turn: AgentTurn, current: OpencodeTurn) -> Ending:
        ending = await super()._ending(turn, current)
        why = self._wrong()
        if not why:
            return ending
        await to_the_end(self._kill("protocol"))
        if ending.stopped in (None, "protocol"):
            return attrs.evolve(ending, stopped="protocol", message=why)
        return ending

    def _wrong(self) -> str:
        """What opencode said that cannot be read, if it did."""
        return ENDLESS if self._wire is not None and self._wire.endless else self._broken

    async def _converse(self, turn: AgentTurn, current: OpencodeTurn) -> str:
        wire = self._open_wire()
        await wire.refill()
        current.reading = attrs.evolve(current.reading, since=current.milliseconds())
        session_id = await self._session(wire, turn, current)
        current.reading = attrs.evolve(current.reading, session_id=session_id)
        current.say(BackendSeen(session_id))
        body = asking.message(fresh(turn) if current.lost else turn)
        self._asking = asyncio.create_task(wire.post(f"/session/{session_id}/message", body))
        if await asking.before(self._asking, current.decided):
            answer = asking.answered(self._asking.result())
            await self._settled(current, answer)
            if not self._wrong():
                current.heard(orjson.dumps(answer), answer)
        return session_id

    async def _session(self, wire: OpenCodeWire, turn: AgentTurn, current: OpencodeTurn) -> str:
        known = await self._asked_for(wire, turn)
        if known is None:
            if turn.backend_id is not None or turn.fork is not None:
                current.lose_thread()
            known = str((await wire.post("/session", asking.SESSION))["id"])
        self._known.add(known)
        return known

    async def _asked_for(self, wire: OpenCodeWire, turn: AgentTurn) -> str | None:
        """The session that the turn names, or the copy; None if it asks for none, or it is lost."""
        if turn.fork is not None:
            return await self.copy(turn, turn.fork)
        known = turn.backend_id
        return known if known is not None and await self._has(wire, known) else None

    async def copy(self, turn: AgentTurn, fork: Fork) -> str | None:
        """Returns a copy of a session up to a message of it; None if opencode has lost either.

        None as well of a session that is too long to be looked through. The copy stands without the
        process.
        """
        wire, source = self._open_wire(), f"/session/{quote(fork.backend_id, safe='')}"
        try:
            if not await self._has(wire, fork.backend_id):
                return None
            body = asking.copying(await wire.get_much(f"{source}/message"), fork.mark)
            if body is None:
                return None
            copy = str((await wire.post(f"{source}/fork", body))["id"])
            await wire.patch(f"/session/{copy}", asking.PERMISSION)
        except AgentRefused:
            return None
        return copy

    async def _has(self, wire: OpenCodeWire, session_id: str) -> bool:
        if session_id in self._known or not session_id.startswith(asking.SESSION_PREFIX):
            return session_id in self._known
        try:
            await wire.get(f"/session/{quote(session_id, safe='')}")
        except AgentRefused as refused:
            if refused.code in _UNKNOWN:
                return False
            raise
        return True

    async def _settled(self, current: OpencodeTurn, answer: Message) -> None:
        """Waits for the events of an answered prompt, which come a little later, or their end."""
        settling = asyncio.create_task(current.settled(str(answer["info"]["id"])))
        awaited = {settling} if self._listener is None else {settling, self._listener}
        try:
            await asyncio.wait(awaited, timeout=SETTLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            settling.cancel()

    def _heeds(self, current: OpencodeTurn, reason: str) -> bool:
        return reason != "stalled" and self._asking is not None and not self.ended.done()

    async def _interrupt(self, current: OpencodeTurn) -> None:
        await self._open_wire().post(f"/session/{current.reading.session_id}/abort")
        if self._asking is not None:
            answer = asking.answered(await asyncio.shield(self._asking))
            await self._settled(current, answer)

    def _refused(
        self, turn: AgentTurn, current: OpencodeTurn, refused: AgentRefused, ending: Ending
    ) -> Ending:
        text = str(refused) + (asking.UNREADABLE if turn.images else "")
        return attrs.evolve(ending, stopped=cause_of(text), message=text)

    async def _forgets(self, thread_id: str, refused: AgentRefused) -> bool:
        """Its refusal may mean other things as well: the session is asked for."""
        if refused.code not in _UNKNOWN or thread_id not in self._known:
            return False
        self._known.discard(thread_id)
        return not await self._has(self._open_wire(), thread_id)

    def _vain(self, current: OpencodeTurn) -> str:
        return "the turn had failed" if current.decided.is_set() else ""

    async def _after(self, current: OpencodeTurn) -> None:
        """Nobody waits for the answer any more."""
        await asking.dropped(self._asking)
        self._asking = None

    async def _listen(self) -> None:
        """Events until they end; without them no turn can be followed, so the agent ends too."""
        try:
            async for line in self._open_wire().events():
                self._greeted.set()
                await self._take(line)
        except Gone:
            pass
        except TooMuch as much:
            self._broken = str(much)
        except Exception as error:
            self._broken = unreadable(self._jail.jail_id, error)
        if not self._wrong():
            await self._own_end()
        await self._jail.kill("protocol" if self._broken else "its events ended")

    async def _own_end(self) -> None:
        """Gives a process that is ending the time to: its exit code tells more than a kill."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._channel.ended()

    async def _take(self, line: bytes) -> None:
        message = await heard_in(line)
        if self._turn is not None and (message is None or message.get("type") not in _NOISE):
            self._turn.heard(line, message)

    def _wrote(self, line: bytes, _: Message | None) -> None:
        listens = _LISTENS.search(line)
        if listens is not None and not self._port.done():
            self._port.set_result(int(listens[1]))

    def _over(self) -> None:
        super()._over()
        if not self._port.done():
            self._port.set_result(0)
        self._greeted.set()

    def _open_wire(self) -> OpenCodeWire:
        if self._wire is None or self.ended.done():
            raise Gone("it has ended")
        return self._wire
