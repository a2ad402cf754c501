"""Recovery: after a crash, ends what the last gateway left running, and records that end."""

import logging
from collections.abc import Sequence

import attrs

from codara.application.ports.agents import Outcome
from codara.application.ports.jails import JailSweeper, LeftJail
from codara.application.ports.views import LeftTurn, Unfinished
from codara.application.turns import failures
from codara.application.turns.abandoned import NO_WRITES, end_lost
from codara.application.turns.context import Context
from codara.events import streams
from codara.events.base import Cause
from codara.events.gateway import GatewayRecovered
from codara.events.jail import JailKilled

logger = logging.getLogger(__name__)

_LOST = "gateway_lost"
_MOST_NAMED = 300
"""One fact names up to this many turns, and up to this many jails."""


@attrs.frozen(kw_only=True)
class Recovery:
    """Ends what the last gateway left; runs once, before the first request is accepted."""

    context: Context
    unfinished: Unfinished
    sweeper: JailSweeper
    gateway_id: str

    async def run(self) -> None:
        """Removes the leftover jails, then ends each open turn in one append."""
        cause = Cause(actor="system:recovery", correlation_id=self.gateway_id)
        jails = await self.unfinished.jails()
        await self.sweeper.sweep(jails)
        for jail in jails:
            await self._end_jail(jail, cause)
        turns = [each for each in await self.unfinished.turns() if await self._ended(each, cause)]
        if jails or turns:
            await self._record(jails, turns, cause)

    async def _end_jail(self, jail: LeftJail, cause: Cause) -> None:
        stream = streams.jail(jail.jail_id)
        killed = JailKilled(jail_id=jail.jail_id, reason=_LOST)
        await self.context.deciding.note(stream, [killed], cause)

    async def _ended(self, left: LeftTurn, cause: Cause) -> bool:
        """Tells whether the turn is ended now. One that cannot be ended does not stop the start."""
        error = failures.error_of(
            Outcome(status="failed", cause=_LOST), now=self.context.clock(), untouched=False
        )
        try:
            await end_lost(self.context, left.session_id, left.turn_id, error, cause)
        except NO_WRITES:
            raise
        except Exception:
            logger.exception("task %s cannot be ended: its session stays busy", left.turn_id)
            return False
        return True

    async def _record(
        self, jails: Sequence[LeftJail], turns: Sequence[LeftTurn], cause: Cause
    ) -> None:
        turn_ids = tuple(each.turn_id for each in turns)
        jail_ids = tuple(each.jail_id for each in jails)
        recovered = [
            GatewayRecovered(
                gateway_id=self.gateway_id,
                turns=turn_ids[first : first + _MOST_NAMED],
                jails=jail_ids[first : first + _MOST_NAMED],
            )
            for first in range(0, max(len(turn_ids), len(jail_ids)), _MOST_NAMED)
        ]
        stream = streams.GATEWAY
        await self.context.deciding.note(stream, recovered, cause)
