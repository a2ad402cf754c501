"""Turns: submitted, joined, cancelled; each carried by a task that this object owns."""

import asyncio
import logging
import time
from collections.abc import Sequence

import attrs

from codara.application.turns import admit, recorded
from codara.application.turns.beside import gives_way, repeats
from codara.application.turns.carry import carry
from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.entering import enter
from codara.application.turns.handle import TurnHandle
from codara.application.turns.locks import NamedLocks
from codara.application.turns.offering import offer
from codara.application.turns.run import Run
from codara.application.turns.seat import find_seat
from codara.application.turns.waiting import Line, Waiter
from codara.application.workspaces import WorkspaceDesk
from codara.domain import idempotency
from codara.domain.conversation import Offered
from codara.domain.workspace import Workspace
from codara.errors import (
    CodaraError,
    Conflict,
    NotFound,
    ShuttingDown,
    VersionClash,
)
from codara.events import streams
from codara.events.base import Cause
from codara.events.request import RequestAnswered, RequestRefused

logger = logging.getLogger(__name__)

_ADMISSION_TRIES = 20
_END_SECONDS = 15.0
"""How long the ends of cancelled turns may take at shutdown."""

Handle = TurnHandle | recorded.RecordedHandle


@attrs.define
class _Arrival:
    """How far a request has come; one that has its place is carried on when its client leaves."""

    has_place: bool = False


class Turns:
    """The turns of this gateway, from their admission to their end."""

    def __init__(self, context: Context, workspaces: WorkspaceDesk) -> None:
        self._context = context
        self._workspaces = workspaces
        limits = context.limits
        self._line = Line(
            max_concurrency=limits.max_concurrency,
            queue_limit=limits.queue_limit,
            clock=context.clock,
        )
        self._keys = NamedLocks()
        self._runs: dict[str, Run] = {}
        self._carriers: set[asyncio.Task[None]] = set()
        self._closing = False

    async def submit(self, command: RunTurn) -> Handle:
        """Admits a turn, or joins the one that the same request has begun.

        It waits for its workspace, for its user's limit and for a place, `queue_timeout` at most.
        Raises what it is refused with; a refusal is recorded. A caller that is cancelled here loses
        its place in the line; once admitted, it counts as a listener that left.
        """
        arrival = _Arrival()
        admission = asyncio.create_task(self._submitted(command, arrival))
        try:
            return await asyncio.shield(admission)
        except asyncio.CancelledError:
            if arrival.has_place:
                admission.add_done_callback(_abandon)
            else:
                admission.cancel()
            raise

    async def _submitted(self, command: RunTurn, arrival: "_Arrival") -> Handle:
        cause = Cause(
            actor=command.caller.actor,
            correlation_id=command.trace_id,
            causation_id=command.request_id,
        )
        key = admit.idempotency_stream(self._context, command)
        try:
            offered = await offer(self._context, command)
            async with self._keys.held(key):
                return await self._admitted(command, offered, cause, arrival)
        except CodaraError as error:
            await self._record_refusal(command, cause, error)
            raise

    async def _admitted(
        self, command: RunTurn, offered: Offered, cause: Cause, arrival: "_Arrival"
    ) -> Handle:
        began = time.monotonic()
        for attempt in range(_ADMISSION_TRIES):
            if earlier := await self._earlier(command, cause):
                return earlier
            await self._end_unheard(command, offered, cause)
            self._refuse_if_closed()
            place = await self._named_place(command, cause)
            arrival.has_place = False
            wanted, waited = await enter(
                self._context, self._line, command, place=place, runs=self._runs, began=began
            )
            arrival.has_place = True
            try:
                self._refuse_if_closed()
                if place is None:
                    number = self._line.number_of(wanted)
                    place = await self._workspaces.for_aside(command.caller, number, cause)
                seat = await find_seat(self._context, command, place.workspace_id, offered)
                admission = admit.Admission(
                    context=self._context,
                    command=command,
                    place=place,
                    seat=seat,
                    offered=offered,
                    wanted=wanted,
                    waited=waited,
                    began=began,
                    again=attempt > 0,
                )
                run = await admission.admit(cause)
            except VersionClash:
                self._line.leave(wanted)
                continue
            except BaseException:
                self._line.leave(wanted)
                raise
            carrier = self._carry(run)
            try:
                await run.recorded()
            except CodaraError as error:
                run.stop()
                await asyncio.wait({carrier})
                if isinstance(error, Conflict):
                    continue
                raise
            return TurnHandle(run)
        raise Conflict("Too many requests name this session at once. Try again.")

    async def _named_place(self, command: RunTurn, cause: Cause) -> Workspace | None:
        """The workspace that the request works in; None for an aside, which works in none."""
        if command.aside:
            return None
        named, root = command.workspace, command.workspace_root
        return await self._workspaces.find(command.caller, named, root, cause)

    def _refuse_if_closed(self) -> None:
        if self._closing:
            raise ShuttingDown("The gateway is stopping. Try again shortly.", retry_after=5.0)
        if trouble := self._context.log.trouble():
            raise trouble

    def _carry(self, run: Run) -> "asyncio.Task[None]":
        self._runs[run.asked.turn_id] = run
        carrier = asyncio.create_task(carry(self._context, run, self._line))
        self._carriers.add(carrier)
        carrier.add_done_callback(lambda done: self._carried(run, done))
        return carrier

    def _carried(self, run: Run, carrier: "asyncio.Task[None]") -> None:
        self._carriers.discard(carrier)
        self._runs.pop(run.asked.turn_id, None)

    async def _earlier(self, command: RunTurn, cause: Cause) -> Handle | None:
        """The turn that this very request has begun before, running or recorded."""
        stream = admit.idempotency_stream(self._context, command)
        if stream is None:
            retried = self._retried(command)
            return None if retried is None else await self._joined(retried)
        claimed: idempotency.Idempotency = await self._context.deciding.state(stream)
        turn_id = idempotency.earlier_turn(claimed, command.body_digest)
        if turn_id is None:
            return None
        running = self._runs.get(turn_id)
        if running is not None and not running.over:
            return await self._joined(running) or await self._earlier(command, cause)
        return await self._recorded(command, claimed.session_id, turn_id, cause)

    async def _joined(self, run: Run) -> TurnHandle | None:
        """A listener more; None for a turn that somebody stopped, once it is over."""
        if run.cancel_cause is None:
            return TurnHandle(run)
        if await run.ends(_END_SECONDS):
            return None
        raise Conflict(
            f"Task {run.asked.turn_id}, which this request has begun, is being stopped. Try again.",
            retry_after=1.0,
        )

    def _retried(self, command: RunTurn) -> Run | None:
        """The running turn that this repetition belongs to, if its client says that it is one.

        Of several that are the same one whose client has left, else the oldest that nobody has
        joined yet.
        """
        if not command.retry:
            return None
        same = [run for run in self._runs.values() if repeats(run, command)]
        left = (run for run in same if run.was_heard and not run.listeners)
        alone = (run for run in same if run.joined < 2)
        return next(left, None) or next(alone, None)

    async def _end_unheard(self, command: RunTurn, offered: Offered, cause: Cause) -> None:
        """Ends turns whose clients have left, where the same caller goes on beside them."""
        left = [run for run in self._runs.values() if gives_way(run, command, offered)]
        for run in left:
            run.cancel("client_gone", cause)
        for run in left:
            await run.ends(_END_SECONDS)

    async def _recorded(
        self, command: RunTurn, session_id: str, turn_id: str, cause: Cause
    ) -> recorded.RecordedHandle | None:
        """None if the key was freed just now: the request may begin a turn of its own."""
        context = self._context
        session = await context.deciding.state(streams.session(session_id))
        place: Workspace = await context.deciding.state(streams.workspace(session.workspace_id))
        try:
            handle = await recorded.recorded_turn(context.log, place, session_id, turn_id)
        except NotFound:
            return None
        stream = streams.request(command.request_id)
        answered = RequestAnswered(
            request_id=command.request_id, user_id=command.caller.user_id, turn_id=turn_id
        )
        await context.deciding.decide([stream], lambda _: {stream: [answered]}, cause)
        return handle

    async def _record_refusal(self, command: RunTurn, cause: Cause, error: CodaraError) -> None:
        stream = streams.request(command.request_id)
        refused = RequestRefused(
            request_id=command.request_id,
            user_id=command.caller.user_id,
            key_id=command.caller.key_id,
            code=error.code,
            param=error.param,
            retry_after=error.retry_after,
            evidence=self._evidence(),
            message=error.message,
        )
        try:
            await self._context.deciding.decide([stream], lambda _: {stream: [refused]}, cause)
        except Exception as unrecorded:
            logger.warning("a refusal could not be recorded: %r", unrecorded)

    def _evidence(self) -> dict[str, str]:
        return {"running": str(len(self._runs)), "waiting": str(len(self._line.waiting()))}

    def waiting(self) -> Sequence[Waiter]:
        """The requests that wait, in the order in which they came."""
        return self._line.waiting()

    async def cancel(self, turn_id: str, user_id: str | None, cause: Cause) -> None:
        """Stops a turn; NotFound if it does not run, or is not `user_id`'s (None: an operator)."""
        run = self._runs.get(turn_id)
        foreign = run and user_id is not None and run.command.caller.user_id != user_id
        if run is None or run.over or foreign:
            raise NotFound(f"There is no running task {turn_id}.")
        run.cancel("requested", cause)

    async def close(self, drain_seconds: float) -> None:
        """Admits no more, lets running turns end for `drain_seconds`, then cancels them."""
        self._closing = True
        if self._carriers:
            await asyncio.wait(set(self._carriers), timeout=drain_seconds)
        for run in list(self._runs.values()):
            run.cancel("shutdown", attrs.evolve(run.cause, actor="system:gateway"))
        if self._carriers:
            await asyncio.wait(set(self._carriers), timeout=_END_SECONDS)
        for carrier in set(self._carriers):
            carrier.cancel()
        if self._carriers:
            await asyncio.wait(set(self._carriers), timeout=_END_SECONDS)


def _abandon(admission: "asyncio.Task[Handle]") -> None:
    if admission.cancelled() or admission.exception() is not None:
        return
    handle = admission.result()
    if isinstance(handle, TurnHandle):
        handle.abandon()
