"""A turn that nobody carries to its end any more: ended by what the log and the disk tell of it."""

import logging
from pathlib import Path

import attrs

from codara.application.turns import staging
from codara.application.turns.changes import Left, diff_fact, left_behind, unseen
from codara.application.turns.context import Context
from codara.application.turns.ending import append_end
from codara.application.turns.payloads import Parcel
from codara.application.turns.run import RunningState
from codara.domain import session
from codara.domain.turns.end import EndTurn
from codara.errors import CodaraError, Overloaded, ShuttingDown, StorageFailed, StorageFull
from codara.events import streams
from codara.events.base import Cause
from codara.events.session import TurnEnd, TurnFailed
from codara.events.thread import Thread

NO_WRITES = (StorageFull, StorageFailed, Overloaded, ShuttingDown)

logger = logging.getLogger(__name__)


@attrs.frozen
class Abandoned:
    """A turn that nobody carries any more, and where it worked."""

    turn_id: str
    workspace_id: str
    folder: Path


async def end_lost(
    context: Context, session_id: str, turn_id: str, error: CodaraError, cause: Cause
) -> None:
    """Fails the turn with `error`, in one append: partial diff, frames, every release.

    Where that cannot be told, the bare end is recorded: everything is released all the same.
    Nothing is said of a turn that has ended already. One of `NO_WRITES` while the log takes none.
    """
    known: session.Session = await context.deciding.state(streams.session(session_id))
    if known.turn is None or known.turn.turn_id != turn_id:
        return
    lost = _Lost(context, known, known.turn, error, cause)
    try:
        await lost.end()
    except NO_WRITES:
        raise
    except Exception:
        logger.exception("only the bare end of task %s can be recorded", turn_id)
        await lost.end_barely()


@attrs.frozen
class _Lost:
    context: Context
    known: session.Session
    open: session.OpenTurn
    error: CodaraError
    cause: Cause

    @property
    def running(self) -> RunningState | None:
        return RunningState.of(self.open.started) if self.open.started else None

    async def end(self) -> None:
        """What the agent did is unknown: frames count as a tool that ran."""
        context, running = self.context, self.running
        parcel = Parcel(context=context, subject=self.known.user_id)
        frames = await context.spool.read(self.open.turn_id)
        abandoned = await self._cleared()
        remains = await left_behind(context, abandoned, running, text="") if running else None
        end = attrs.evolve(
            self._end(self._thread(frames)),
            frames=await parcel.data(frames),
            tool_ran=bool(frames),
            changed=bool(remains and remains.changed),
        )
        await self._append(parcel, end, remains)
        await context.spool.remove(self.open.turn_id)

    def _thread(self, frames: bytes) -> Thread:
        """An agent that wrote nothing may not have heard the question: it is told again."""
        heard = self.open.heard
        return heard if frames and heard.backend_id else self.known.thread

    async def end_barely(self) -> None:
        """Nothing but what the log itself tells; the frames stay in the spool."""
        running, end = self.running, self._end(self.known.thread)
        if running:
            end = attrs.evolve(end, tool_ran=True, changed=True)
        remains = unseen(running, "unknown") if running else None
        await self._append(Parcel(context=self.context, subject=self.known.user_id), end, remains)

    def _end(self, thread: Thread) -> TurnEnd:
        return TurnEnd(
            thread=thread, expires_at=self.context.clock() + self.context.limits.session_ttl
        )

    async def _cleared(self) -> Abandoned:
        """Takes the turn's uploads away: they are put there before it starts."""
        turn_id, workspace_id = self.open.turn_id, self.open.workspace_id
        place = await self.context.deciding.state(streams.workspace(workspace_id))
        abandoned = Abandoned(turn_id, workspace_id, Path(place.folder))
        await staging.clear(self.context, turn_id, workspace_id, abandoned.folder)
        return abandoned

    async def _append(self, parcel: Parcel, end: TurnEnd, remains: Left | None) -> None:
        running = self.running
        diff = None
        if running and remains:
            diff = await diff_fact(self.open, parcel, running, remains)
        untouched = not (end.tool_ran or end.changed)
        ask = EndTurn(
            ended=self._failed(end),
            workspace_id=self.open.workspace_id,
            diff=diff,
            leases=running.leases if running else (),
            now=self.context.clock(),
            idempotency=self.open.idempotency if untouched else None,
        )
        await append_end(parcel, ask, self.cause)

    def _failed(self, end: TurnEnd) -> TurnFailed:
        return TurnFailed(
            session_id=self.known.session_id,
            turn_id=self.open.turn_id,
            user_id=self.known.user_id,
            code=self.error.code,
            cause=self.error.cause or self.error.code,
            end=end,
            message=self.error.message,
            detail=self.error.detail,
            answer="",
        )
