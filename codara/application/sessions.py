"""Commands on sessions, as their users and operators give them."""

from functools import partial

import attrs

from codara.application.deciding import Deciding
from codara.application.turns.finding import Finder
from codara.domain import session
from codara.events import streams
from codara.events.base import Cause


@attrs.frozen(kw_only=True)
class Sessions:
    """Commands on sessions."""

    deciding: Deciding
    finder: Finder

    async def reset(self, session_id: str, user_id: str | None, cause: Cause) -> int:
        """Lets the next turn begin a fresh thread; returns the position, 0 if it would anyway.

        NotFound if there is no such session, or it is not `user_id`'s (None: an operator asks);
        SessionBusy while a turn runs.
        """
        stream = streams.session(session_id)
        reset = partial(session.reset, user_id=user_id)
        position = await self.deciding.decide_on(stream, reset, cause)
        if position is not None:
            self.finder.clear(session_id, position)
        return position or 0
