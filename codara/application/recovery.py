"""After a crash: what the last gateway left running is ended, and said to have ended."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs

from codara.application.ports.agents import Outcome
from codara.application.ports.jails import JailSweeper, LeftJail
from codara.application.ports.views import OpenTurn, Unfinished
from codara.application.turns import failures, staging
from codara.application.turns.live import Running
from codara.application.turns.means import Means
from codara.application.turns.parcel import Parcel
from codara.application.turns.remains import diff_fact, left_behind
from codara.domain import session, turn
from codara.errors import CodaraError
from codara.events import streams
from codara.events.base import Cause
from codara.events.gateway import GatewayRecovered
from codara.events.jail import JailKilled
from codara.events.session import TurnEnd, TurnFailed

logger = logging.getLogger(__name__)

_LOST = "gateway_lost"


@attrs.frozen
class Abandoned:
    """A turn that nobody carries any more, and where it worked."""

    turn_id: str
    workspace_id: str
    folder: Path


@attrs.frozen(kw_only=True)
class Recovery:
    """Runs once, before the doors open."""

    means: Means
    unfinished: Unfinished
    sweeper: JailSweeper
    gateway_id: str

    async def run(self) -> None:
        """First the leftover jails are gone, then each open turn is ended in one append."""
        cause = Cause(actor="system:recovery", correlation_id=self.gateway_id)
        jails = await self.unfinished.jails()
        await self.sweeper.sweep(jails)
        for jail in jails:
            await self._end_jail(jail, cause)
        turns = await self.unfinished.turns()
        for each in turns:
            await self._end_turn(each, cause)
        if jails or turns:
            await self._record(jails, turns, cause)

    async def _end_jail(self, jail: LeftJail, cause: Cause) -> None:
        stream = streams.jail(jail.jail_id)
        killed = JailKilled(jail_id=jail.jail_id, reason=_LOST)
        await self.means.deciding.decide([stream], lambda _: {stream: [killed]}, cause)

    async def _end_turn(self, left: OpenTurn, cause: Cause) -> None:
        current: session.Session = await self.means.deciding.state(streams.session(left.session_id))
        if current.turn is None or current.turn.turn_id != left.turn_id:
            return
        try:
            await self._append_end(left, current, current.turn, cause)
        except CodaraError:
            logger.exception("task %s could not be recovered", left.turn_id)
            raise

    async def _append_end(
        self, left: OpenTurn, current: session.Session, open_turn: session.OpenTurn, cause: Cause
    ) -> None:
        means, parcel = self.means, Parcel(means=self.means, subject=left.user_id)
        frames = await means.spool.read(left.turn_id)
        started = open_turn.started
        running = Running.of(started) if started else None
        abandoned = await self._cleared(left)
        remains = await left_behind(means, abandoned, running, text="") if running else None
        changed = bool(remains and remains.changed)
        end = await self._end(current, open_turn, frames, parcel, changed=changed)
        ask = turn.End(
            ended=_failed(left, end),
            workspace_id=open_turn.workspace_id,
            diff=await diff_fact(left, parcel, running, remains) if running and remains else None,
            leases=running.leases if running else (),
            now=means.clock(),
            idempotency=None if frames or changed else open_turn.idempotency,
        )
        await means.deciding.decide(
            ask.streams(), partial(turn.end, ask=ask), cause, parcel.payloads
        )
        await means.spool.remove(left.turn_id)

    async def _cleared(self, left: OpenTurn) -> Abandoned:
        """Takes the turn's uploads away: they are put there before it starts."""
        place = await self.means.deciding.state(streams.workspace(left.workspace_id))
        abandoned = Abandoned(left.turn_id, left.workspace_id, Path(place.folder))
        await staging.clear(self.means, left.turn_id, left.workspace_id, abandoned.folder)
        return abandoned

    async def _end(
        self,
        current: session.Session,
        open_turn: session.OpenTurn,
        frames: bytes,
        parcel: Parcel,
        *,
        changed: bool,
    ) -> TurnEnd:
        """What the agent did before the crash is unknown: frames count as a tool that ran."""
        heard = open_turn.heard if open_turn.heard.backend_id else current.thread
        return TurnEnd(
            thread=heard,
            expires_at=self.means.clock() + self.means.limits.session_ttl,
            frames=await parcel.data(frames),
            tool_ran=bool(frames),
            changed=changed,
        )

    async def _record(
        self, jails: Sequence[LeftJail], turns: Sequence[OpenTurn], cause: Cause
    ) -> None:
        recovered = GatewayRecovered(
            gateway_id=self.gateway_id,
            turns=tuple(each.turn_id for each in turns),
            jails=tuple(each.jail_id for each in jails),
        )
        stream = streams.GATEWAY
        await self.means.deciding.decide([stream], lambda _: {stream: [recovered]}, cause)


def _failed(left: OpenTurn, end: TurnEnd) -> TurnFailed:
    error = failures.error_of(
        Outcome(status="failed", cause=_LOST), now=end.expires_at, untouched=not end.tool_ran
    )
    return TurnFailed(
        session_id=left.session_id,
        turn_id=left.turn_id,
        user_id=left.user_id,
        code=error.code,
        cause=_LOST,
        end=end,
        message=error.message,
        answer="",
    )
