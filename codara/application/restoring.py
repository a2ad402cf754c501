"""Restoring: what an accepted loss of events means for the sessions that are left."""

from collections.abc import Mapping, Sequence
from functools import partial

import attrs

from codara.application.deciding import Deciding
from codara.application.ports.views import SessionPages
from codara.clock import Clock
from codara.domain import session
from codara.events import streams
from codara.events.base import Cause, Event

_AT_ONCE = 100


@attrs.frozen(kw_only=True)
class Restoring:
    """Appends `session.set_back`: files and threads may be ahead of what the log tells."""

    deciding: Deciding
    sessions: SessionPages
    clock: Clock
    cause: Cause

    async def set_back(self) -> int:
        """Sets back each session whose time is not over; returns how many. Harmless if repeated."""
        number, cursor, more = 0, None, True
        while more:
            page = await self.sessions.list(limit=_AT_ONCE, cursor=cursor, every=True)
            standing = [each for each in page.items if each.status != "expired"]
            number += await self._set_back([streams.session(each.session_id) for each in standing])
            cursor, more = page.cursor, page.has_more
        return number

    async def _set_back(self, names: Sequence[str]) -> int:
        """In one append for all of them."""
        done: list[str] = []
        decision = partial(self._decided, done=done)
        if names:
            await self.deciding.decide(names, decision, self.cause)
        return len(done)

    def _decided(
        self, states: Mapping[str, session.Session], *, done: list[str]
    ) -> dict[str, Sequence[Event]]:
        facts = {name: session.set_back(state, now=self.clock()) for name, state in states.items()}
        done[:] = [name for name, said in facts.items() if said]
        return dict(facts)
