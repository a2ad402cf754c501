"""Deadlines: records that sessions have expired, soon after; no decision waits for the record."""

from collections.abc import Sequence
from functools import partial

import attrs

from codara.application.deciding import Deciding
from codara.application.ports.views import Expiring
from codara.application.regularly import regularly
from codara.clock import Clock
from codara.domain import session
from codara.events import streams
from codara.events.base import Cause

_AT_ONCE = 100
_PAUSE_SECONDS = 30.0


@attrs.frozen(kw_only=True)
class Deadlines:
    """Appends `session.expired` for sessions whose time is over."""

    deciding: Deciding
    expiring: Expiring
    clock: Clock
    cause: Cause

    async def keep(self, pause: float = _PAUSE_SECONDS) -> None:
        """Looks for them every `pause` seconds until it is cancelled, whatever fails in between."""
        await regularly(self.pass_over, pause, "deadlines are not written at present")

    async def pass_over(self) -> int:
        """Records the sessions that have expired by now; returns how many."""
        now = self.clock()
        due: Sequence[str] = await self.expiring.due(now, _AT_ONCE)
        for session_id in due:
            stream = streams.session(session_id)
            await self.deciding.decide_on(stream, partial(session.expire, now=now), self.cause)
        return len(due)
