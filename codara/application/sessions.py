"""Sessions, as their users and operators change them."""

from functools import partial
from typing import Any

import attrs

from codara.application.deciding import Deciding
from codara.domain import session
from codara.events import streams
from codara.events.base import Cause
from codara.ids import NewId


@attrs.frozen(kw_only=True)
class Sessions:
    """Commands on sessions."""

    deciding: Deciding
    new_id: NewId

    async def reset(self, session_id: str, user_id: str | None, actor: str) -> int:
        """The next turn begins a fresh thread; returns the position, 0 if it would anyway.

        NotFound if there is no such session, or it is not `user_id`'s (None: an operator asks);
        SessionBusy while a turn runs.
        """
        stream = streams.session(session_id)
        cause = Cause(actor=actor, correlation_id=self.new_id("trc"))
        decided = await self.deciding.decide([stream], partial(_reset, stream, user_id), cause)
        return decided.position or 0


def _reset(stream: str, user_id: str | None, states: Any) -> dict[str, Any]:
    return {stream: session.reset(states[stream], user_id=user_id)}
