"""Sessions that can be reset."""

import attrs

from codara.errors import NotFound
from codara.events.base import Cause


@attrs.define
class FakeSessions:
    """Resets sessions of `whose`."""

    position: int = 1
    whose: dict[str, str] = attrs.field(factory=dict)

    async def reset(self, session_id: str, user_id: str | None, cause: Cause) -> int:
        if session_id not in self.whose or user_id not in (None, self.whose[session_id]):
            raise NotFound(f"There is no session {session_id}.")
        return self.position
