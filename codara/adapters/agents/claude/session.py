"""A claude that stays: one process, one thread, one turn at a time."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import attrs

from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.config import spoken
from codara.adapters.agents.claude.lender import Lender
from codara.adapters.agents.claude.outcome import Ending, outcome_of
from codara.adapters.agents.claude.process import Gone, Process, Refused
from codara.adapters.agents.claude.turn import ClaudeTurn
from codara.adapters.agents.leftovers import left_running
from codara.adapters.agents.lines import Message
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import Warned
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

_OWN = ("claude", "bwrap", "prlimit")
_COMM_LENGTH = 15
_STDERR_SHOWN = 2000


class LostThread(Exception):
    """claude does not know the thread it was to go on with."""


class Conversation:
    """The session of one thread; whoever started it calls `close`.

    What a process is told at its start (folder, model, instructions, thread) it keeps: a turn that
    differs in any of them needs another one.
    """

    keeps = True

    def __init__(
        self,
        jail: Jail,
        turn: AgentTurn,
        thread_id: str,
        *,
        program: str,
        lender: Lender,
        clock: Clock,
    ) -> None:
        self._jail = jail
        self._thread_id = thread_id
        self._told = _told(turn)
        self._own = (*_OWN, program[:_COMM_LENGTH])
        self._lender = lender
        self._clock = clock
        self._turn: ClaudeTurn | None = None
        self._used = False
        self._cost = 0.0
        self._garbage = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process = Process(jail, self._heard)
        self._process.when_ended(self._over)

    async def start(self) -> Sequence[str]:
        """Speaks the first words and gives the models claude lists.

        Raises LostThread, or AgentFailed if the program does not answer within 30 s.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                found = await self._process.ask("initialize")
        except (TimeoutError, Gone, Refused) as error:
            told = self._jail.stderr()[-_STDERR_SHOWN:].decode("utf-8", "replace").strip()
            if cause_of(told) == "unknown_session":
                raise LostThread from error
            text = f"claude did not start: {told or repr(error)}"
            raise AgentFailed(text, cause="crashed") from error
        return [str(model["value"]) for model in found.get("models") or () if "value" in model]

    def serves(self, turn: AgentTurn) -> bool:
        unused = turn.backend_id is None and not self._used
        return (unused or turn.backend_id == self._thread_id) and _told(turn) == self._told

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        current = ClaudeTurn(sink, self._clock, cost=self._cost, garbage=self._garbage)
        self._turn, self._used, self._garbage = current, True, 0
        try:
            self._jail.broker.lend(await self._lender.lend(turn, current))
            ending = await self._ending(turn, current)
        finally:
            self._turn = None
            self._jail.broker.withdraw()
            self._cost = current.reading.cost
        current.complain()
        return outcome_of(current.reading, ending)

    async def answers(self) -> bool:
        """Asks for something that costs the program nothing; a refusal is an answer, too."""
        try:
            await self._process.ask("mcp_status")
        except Refused:
            return True
        except Gone:
            return False
        return True

    async def close(self) -> None:
        await self._jail.close(CLOSE_SECONDS)
        await self._process.ended()

    async def _ending(self, turn: AgentTurn, current: ClaudeTurn) -> Ending:
        ending = Ending(expected=self._thread_id, jailed=self._jail.jailed)
        watch = Watch(turn, self._clock)
        try:
            async with watch:
                current.watched_by(watch)
                await self._converse(turn, current)
        except TimeoutError:
            ending = attrs.evolve(ending, stopped=watch.reason, message=PATIENCE[watch.reason])
            await to_the_end(self._stop(current, watch.reason))
        except Gone:
            pass
        except asyncio.CancelledError:
            await to_the_end(self._stop(current, "cancelled"))
            raise
        await to_the_end(self._tidy(current))
        return await self._with_exit(ending, current)

    async def _converse(self, turn: AgentTurn, current: ClaudeTurn) -> None:
        lost = turn.backend_id not in (None, self._thread_id)
        if lost:
            current.say(Warned(FRESH_THREAD))
        await self._process.say(_content(turn, turn.fresh_prompt if lost else turn.prompt))
        await current.ended.wait()

    async def _stop(self, current: ClaudeTurn, reason: str) -> None:
        """By its protocol first, which ends its tools as well; a silent agent is killed."""
        try:
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await self._process.ask("interrupt")
                await current.ended.wait()
        except (TimeoutError, Gone, Refused):
            await self._kill(reason)
        await self._tidy(current)

    async def _tidy(self, current: ClaudeTurn) -> None:
        """A turn ends with everything it started: what still runs could write to the workspace."""
        if not self._process.alive or not current.ran_tools:
            return
        left: list[str] = await asyncio.to_thread(left_running, self._jail.inner_pid, self._own)
        if left:
            await self._leave("a tool outlived its turn")

    async def _leave(self, reason: str) -> None:
        """claude writes a turn down a little after its end: killed at once, it would forget it."""
        self._jail.stdin.close()
        await asyncio.wait({self.ended}, timeout=CLOSE_SECONDS)
        await self._kill(reason)

    async def _kill(self, reason: str) -> None:
        await self._jail.kill(reason)
        await self._process.ended()

    async def _with_exit(self, ending: Ending, current: ClaudeTurn) -> Ending:
        ending = attrs.evolve(ending, retry_at=current.retry_at, used_up=current.used_up)
        if self._process.alive or ending.stopped is not None or current.reading.ended is not None:
            return ending
        found = await self._process.ended()
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


def _told(turn: AgentTurn) -> tuple[object, ...]:
    return turn.folder, turn.read_only, turn.model, turn.instructions


def _content(turn: AgentTurn, text: str) -> list[dict[str, Any]]:
    pictures = [
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": each.media_type,
                "data": b64encode(each.data).decode(),
            },
        }
        for each in turn.images
    ]
    return [{"type": "text", "text": spoken(text)}, *pictures]
