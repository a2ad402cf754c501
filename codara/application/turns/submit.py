"""Submitting: a request joins a turn, is answered from the record, waits for its place, or goes."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import attrs

from codara.application.turns import admit, recorded
from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.entering import enter
from codara.application.turns.handle import TurnHandle
from codara.application.turns.locks import NamedLocks
from codara.application.turns.offering import offer
from codara.application.turns.places import Wanted
from codara.application.turns.run import Run
from codara.application.turns.running import RunningTurns
from codara.application.turns.seating import find_seat
from codara.application.turns.trying import refuse_hopeless, refuse_vain
from codara.application.turns.waiting import Line, Waiter
from codara.application.workspaces import WorkspaceDesk
from codara.domain import idempotency
from codara.domain.conversation import Offered
from codara.domain.workspace import Workspace
from codara.errors import CodaraError, Conflict, NotFound, ShuttingDown, VersionClash
from codara.events import streams
from codara.events.base import Cause
from codara.events.request import RequestAnswered, RequestRefused
from codara.events.session import Waited

logger = logging.getLogger(__name__)

_ADMISSION_TRIES = 20

Handle = TurnHandle | recorded.RecordedHandle


class Turns:
    """The turns of this gateway, from their submission to their end."""

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
        self.running = RunningTurns(context, self._line)
        self._closing = False

    async def submit(self, command: RunTurn) -> Handle:
        """Admits a turn, or joins the one that the same request has begun.

        It waits for its workspace, for its user's limit and for a place, up to `queue_timeout`.
        Raises what it is refused with; a refusal is recorded. A caller that is cancelled here loses
        its place in the line; once admitted, it counts as a listener that left.
        """
        submission = _Submission(
            context=self._context,
            workspaces=self._workspaces,
            line=self._line,
            running=self.running,
            refuse_if_closed=self._refuse_if_closed,
            command=command,
        )
        admission = asyncio.create_task(self._submitted(submission))
        try:
            return await asyncio.shield(admission)
        except asyncio.CancelledError:
            if submission.has_place:
                admission.add_done_callback(_abandon)
            else:
                admission.cancel()
            raise

    async def _submitted(self, submission: "_Submission") -> Handle:
        try:
            offered = await offer(self._context, submission.command)
            async with self._keys.held(submission.key):
                return await submission.admitted(offered)
        except CodaraError as error:
            await self._record_refusal(submission, error)
            raise

    def _refuse_if_closed(self) -> None:
        if self._closing:
            raise ShuttingDown("The gateway is stopping. Try again shortly.", retry_after=5.0)
        if trouble := self._context.log.trouble():
            raise trouble

    async def _record_refusal(self, submission: "_Submission", error: CodaraError) -> None:
        command = submission.command
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
            detail=error.detail,
        )
        try:
            await self._context.deciding.note(stream, [refused], submission.cause)
        except Exception as unrecorded:
            logger.warning("a refusal could not be recorded: %r", unrecorded)

    def _evidence(self) -> dict[str, str]:
        running, waiting = len(self.running.all()), len(self._line.waiting())
        return {"running": str(running), "waiting": str(waiting)}

    def waiting(self) -> Sequence[Waiter]:
        """Lists the requests that wait, in the order in which they came."""
        return self._line.waiting()

    async def cancel(self, turn_id: str, user_id: str | None, cause: Cause) -> None:
        """Stops a turn; NotFound if it does not run, or is not `user_id`'s (None: an operator)."""
        self.running.cancel(turn_id, user_id, cause)

    async def close(self, drain_seconds: float) -> None:
        """Admits no more, lets running turns end for `drain_seconds`, then cancels them."""
        self._closing = True
        await self.running.close(drain_seconds)


@attrs.define(kw_only=True)
class _Submission:
    """One request on its way to a turn.

    Once it `has_place` it is carried on even if its client leaves. Its idempotency key is claimed
    in the stream `key`.
    """

    context: Context
    workspaces: WorkspaceDesk
    line: Line
    running: RunningTurns
    refuse_if_closed: Callable[[], None]
    command: RunTurn
    cause: Cause = attrs.field(init=False)
    key: str | None = attrs.field(init=False)
    has_place: bool = False

    def __attrs_post_init__(self) -> None:
        command = self.command
        self.cause = Cause(
            actor=command.caller.actor,
            correlation_id=command.trace_id,
            causation_id=command.request_id,
        )
        self.key = admit.idempotency_stream(self.context, command)

    async def admitted(self, offered: Offered) -> Handle:
        """Answers from an earlier turn of the same request, or admits one of its own.

        Conflict when others are faster again and again.
        """
        began = time.monotonic()
        for attempt in range(_ADMISSION_TRIES):
            if earlier := await self._earlier():
                return earlier
            await self.running.end_unheard(self.command, offered, self.cause)
            self.refuse_if_closed()
            await refuse_hopeless(self.context, self.command.provider)
            place = await self._named_place()
            wanted, waited = await self._entered(place, began)
            try:
                admission = await self._admission(
                    wanted, waited, place, offered, began, again=attempt > 0
                )
                run = await admission.admit(self.cause)
            except VersionClash:
                self.line.leave(wanted)
                continue
            except BaseException:
                self.line.leave(wanted)
                raise
            if await self._is_recorded(run):
                return TurnHandle(run)
        raise Conflict("Too many requests name this session at once. Try again.")

    async def _entered(self, place: Workspace | None, began: float) -> tuple[Wanted, Waited | None]:
        self.has_place = False
        entered = await enter(
            self.context,
            self.line,
            self.command,
            place=place,
            runs=self.running.all(),
            began=began,
        )
        self.has_place = True
        return entered

    async def _admission(
        self,
        wanted: Wanted,
        waited: Waited | None,
        place: Workspace | None,
        offered: Offered,
        began: float,
        *,
        again: bool,
    ) -> admit.Admission:
        """Finds the place of an aside, and the session of any request, now that it may begin."""
        self.refuse_if_closed()
        await refuse_vain(self.context, self.command.provider)
        if place is None:
            number = self.line.number_of(wanted)
            place = await self.workspaces.for_aside(self.command.caller, number, self.cause)
        seat = await find_seat(self.context, self.command, place.workspace_id, offered)
        return admit.Admission(
            context=self.context,
            command=self.command,
            place=place,
            seat=seat,
            offered=offered,
            wanted=wanted,
            waited=waited,
            began=began,
            idempotency=self.key,
            again=again,
        )

    async def _is_recorded(self, run: Run) -> bool:
        """Carries the turn; False if its session went on meanwhile, and it has to look again."""
        carrier = self.running.carry(run)
        try:
            await run.recorded()
        except CodaraError as error:
            run.stop()
            await asyncio.wait({carrier})
            if isinstance(error, Conflict):
                return False
            raise
        return True

    async def _named_place(self) -> Workspace | None:
        """The workspace that the request works in; None for an aside, which works in none."""
        command = self.command
        if command.aside:
            return None
        named, root = command.workspace, command.workspace_root
        return await self.workspaces.find(command.caller, named, root, self.cause)

    async def _earlier(self) -> Handle | None:
        """The turn that this very request has begun before, running or recorded."""
        command, running = self.command, self.running
        if self.key is None:
            repeated = running.repeated(command)
            return None if repeated is None else await running.join(repeated)
        claimed: idempotency.Idempotency = await self.context.deciding.state(self.key)
        turn_id = idempotency.earlier_turn(claimed, command.body_digest)
        if turn_id is None:
            return None
        run = running.find(turn_id)
        if run is not None:
            return await running.join(run) or await self._earlier()
        return await self._recorded(claimed.session_id, turn_id)

    async def _recorded(self, session_id: str, turn_id: str) -> recorded.RecordedHandle | None:
        """None if the key was freed just now: the request may begin a turn of its own."""
        context, command = self.context, self.command
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
        await context.deciding.note(stream, [answered], self.cause)
        return handle


def _abandon(admission: "asyncio.Task[Handle]") -> None:
    if admission.cancelled() or admission.exception() is not None:
        return
    handle = admission.result()
    if isinstance(handle, TurnHandle):
        handle.abandon()
