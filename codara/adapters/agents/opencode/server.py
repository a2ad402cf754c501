"""A long-lived `opencode serve`: one process, any number of sessions, one turn at a time."""

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs
import orjson

from codara.adapters.agents.leftovers import left_running
from codara.adapters.agents.lines import Message, message_of
from codara.adapters.agents.opencode import asking
from codara.adapters.agents.opencode.causes import cause_of
from codara.adapters.agents.opencode.config import Model
from codara.adapters.agents.opencode.lender import Lender
from codara.adapters.agents.opencode.outcome import Ending, outcome_of
from codara.adapters.agents.opencode.parse import serve_event
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.opencode.wire import Refused, Unreachable, Wire
from codara.adapters.agents.output import Output
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, Warned
from codara.clock import Clock
from codara.errors import AgentFailed

START_SECONDS = 30.0
ABORT_SECONDS = 2.0
SETTLE_SECONDS = 1.0
FRESH_THREAD = "fresh_thread"
PATIENCE = {
    "stalled": "the agent made no progress",
    "timeout": "the turn took longer than it may",
}

_LISTENS = re.compile(rb"listening on http://[^:]+:(\d+)")
_OWN = ("opencode", "bwrap", "prlimit")
_COMM_LENGTH = 15
_UNREADABLE = "; perhaps a picture of the prompt cannot be read"
_PARSED_IN_THREAD = 256 * 1024
_NOISE = frozenset({"server.heartbeat", "plugin.added", "session.diff", "file.watcher.updated"})


class Server:
    """The session of one home; whoever started it calls `close`."""

    keeps = True

    def __init__(
        self,
        jail: Jail,
        turn: AgentTurn,
        *,
        models: frozenset[str],
        password: str,
        program: str,
        lender: Lender,
        clock: Clock,
    ) -> None:
        self._jail = jail
        self._folder, self._read_only = turn.folder, turn.read_only
        self._models = models
        self._password = password
        self._own = (*_OWN, program[:_COMM_LENGTH])
        self._lender = lender
        self._clock = clock
        self._known: set[str] = set()
        self._turn: OpencodeTurn | None = None
        self._asking: asyncio.Task[Any] | None = None
        self._wire: Wire | None = None
        self._listening: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._port: asyncio.Future[int] = loop.create_future()
        self._greeted = asyncio.Event()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._output = Output(jail, self._wrote)
        self._output.when_ended(self._over)

    async def start(self) -> None:
        """Waits until it listens and sends its events; AgentFailed if not within 30 s."""
        try:
            async with asyncio.timeout(START_SECONDS):
                self._wire = Wire(self._jail, await self._port, self._password)
                await self._open_wire().refill()
                self._listening = asyncio.create_task(self._listen(), name="events of opencode")
                await self._greeted.wait()
            self._open_wire()
        except (TimeoutError, Unreachable) as error:
            told = self._jail.stderr()[-2000:].decode("utf-8", "replace").strip() or repr(error)
            raise AgentFailed(f"opencode serve did not start: {told}", cause="crashed") from error

    def serves(self, turn: AgentTurn) -> bool:
        same_place = (turn.folder, turn.read_only) == (self._folder, self._read_only)
        return same_place and str(Model.of(turn.model)) in self._models

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        current = OpencodeTurn(sink, serve_event, self._clock)
        self._turn = current
        try:
            self._jail.broker.lend(await self._lender.lend(turn, current))
            ending = await self._ending(turn, current)
        finally:
            self._turn = None
            self._jail.broker.withdraw()
            await asking.dropped(self._asking)
            self._asking = None
        current.complain()
        return outcome_of(current.reading, ending)

    async def models(self) -> Sequence[str]:
        """What the CLI lists; Refused or Unreachable when it does not."""
        found = await self._open_wire().get("/config/providers")
        return [
            f"{provider['id']}/{name}"
            for provider in found.get("providers", [])
            for name in provider.get("models", {})
        ]

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        if self._wire is not None:
            await self._wire.close()
        await self._jail.close(grace=0)
        await self._output.ended()

    async def _ending(self, turn: AgentTurn, current: OpencodeTurn) -> Ending:
        ending = Ending(jailed=self._jail.jailed, expected=turn.backend_id)
        watch = Watch(turn, self._clock)
        stop = ""
        try:
            async with watch:
                current.watched_by(watch)
                ending = attrs.evolve(ending, expected=await self._converse(turn, current))
        except TimeoutError:
            stop = watch.reason
            ending = attrs.evolve(ending, stopped=stop, message=PATIENCE[stop])
        except Refused as refused:
            text = str(refused) + (_UNREADABLE if turn.images else "")
            ending = attrs.evolve(ending, stopped=cause_of(text), message=text)
        except Unreachable:
            await self._kill("it does not answer")
        except asyncio.CancelledError:
            await to_the_end(self._stop(current, "cancelled"))
            raise
        if current.given_up is not None and not stop:
            retry = current.reading.retry
            message = retry.message if retry else "the request failed again and again"
            ending = attrs.evolve(ending, stopped=current.given_up, message=message)
        if stop or current.decided.is_set():
            await to_the_end(self._stop(current, stop or "the turn had failed"))
        await to_the_end(self._tidy(current))
        return await self._with_exit(ending, current)

    async def _converse(self, turn: AgentTurn, current: OpencodeTurn) -> str:
        wire = self._open_wire()
        await wire.refill()
        session_id = await self._session(wire, turn, current)
        lost = turn.backend_id is not None and session_id != turn.backend_id
        current.reading = attrs.evolve(
            current.reading, session_id=session_id, since=current.milliseconds()
        )
        current.say(BackendSeen(session_id))
        body = asking.message(turn, turn.fresh_prompt if lost else turn.prompt)
        self._asking = asyncio.create_task(wire.post(f"/session/{session_id}/message", body))
        if await asking.before(self._asking, current.decided):
            answer = self._asking.result()
            await self._settled(current, answer)
            current.heard(orjson.dumps(answer), answer)
        return session_id

    async def _session(self, wire: Wire, turn: AgentTurn, current: OpencodeTurn) -> str:
        known = turn.backend_id
        if known is not None and not await self._has(wire, known):
            current.say(Warned(FRESH_THREAD))
            known = None
        if known is None:
            known = str((await wire.post("/session", asking.SESSION))["id"])
        self._known.add(known)
        return known

    async def _has(self, wire: Wire, session_id: str) -> bool:
        if session_id in self._known or not session_id.startswith(asking.SESSION_PREFIX):
            return session_id in self._known
        try:
            await wire.get(f"/session/{quote(session_id, safe='')}")
        except Refused as refused:
            if refused.missing:
                return False
            raise
        return True

    async def _settled(self, current: OpencodeTurn, answer: Mapping[str, Any]) -> None:
        """The events of an answered prompt come a little later than the answer does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await current.closed(str(answer["info"]["id"]))

    async def _stop(self, current: OpencodeTurn, reason: str) -> None:
        """By its protocol first; a silent agent is killed."""
        posted = self._asking
        if reason == "stalled" or posted is None or self.ended.done():
            await self._kill(reason)
            return
        try:
            async with asyncio.timeout(ABORT_SECONDS):
                await self._open_wire().post(f"/session/{current.reading.session_id}/abort")
                await self._settled(current, await asyncio.shield(posted))
        except (TimeoutError, Refused, Unreachable):
            await self._kill(reason)
        await self._tidy(current)

    async def _tidy(self, current: OpencodeTurn) -> None:
        """A turn ends with everything it started: what still runs could write to the workspace."""
        if self._output.done or not current.ran_tools:
            return
        left: list[str] = await asyncio.to_thread(left_running, self._jail.inner_pid, self._own)
        if left:
            await self._kill("a tool outlived its turn")

    async def _kill(self, reason: str) -> None:
        await self._jail.kill(reason)
        await self._output.ended()

    async def _with_exit(self, ending: Ending, current: OpencodeTurn) -> Ending:
        ending = attrs.evolve(ending, retry_at=current.retry_at)
        if not self._output.done or ending.stopped is not None or current.reading.answered:
            return ending
        found = await self._output.ended()
        return attrs.evolve(ending, exit_code=found.code, stderr=found.stderr)

    async def _listen(self) -> None:
        """Events until they end; without them no turn can be followed, so the agent ends too."""
        try:
            async for line in self._open_wire().events():
                self._greeted.set()
                await self._take(line)
        except Unreachable:
            pass
        await self._jail.kill("its events ended")

    async def _take(self, line: bytes) -> None:
        if len(line) > _PARSED_IN_THREAD:
            message = await asyncio.to_thread(message_of, line)
        else:
            message = message_of(line)
        if self._turn is not None and (message is None or message.get("type") not in _NOISE):
            self._turn.heard(line, message)

    def _wrote(self, line: bytes, _: Message | None) -> None:
        listens = _LISTENS.search(line)
        if listens is not None and not self._port.done():
            self._port.set_result(int(listens[1]))

    def _over(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        if not self._port.done():
            self._port.set_result(0)
        self._greeted.set()
        if self._turn is not None:
            self._turn.decided.set()

    def _open_wire(self) -> Wire:
        if self._wire is None or self.ended.done():
            raise Unreachable("it has ended")
        return self._wire
