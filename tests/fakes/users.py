"""Users, known by their keys."""

from collections.abc import Mapping

import attrs

from codara.application.callers import Caller
from codara.errors import InvalidApiKey, UserSuspended

KEY = "uagk_live_good"
SUSPENDED_KEY = "uagk_live_suspended"
CALLER = Caller(user_id="usr_1", key_id="key_1", max_concurrency=3)
OPERATOR = Caller(user_id="usr_admin", key_id=None, max_concurrency=3, operator_id="op_1")


@attrs.frozen
class FakeUsers:
    """Knows `callers` by their keys; `SUSPENDED_KEY` is that of somebody suspended."""

    callers: Mapping[str, Caller] = attrs.field(factory=lambda: {KEY: CALLER})

    async def authenticate(self, raw_key: str) -> Caller:
        if raw_key == SUSPENDED_KEY:
            raise UserSuspended("The user is suspended.")
        if raw_key not in self.callers:
            raise InvalidApiKey("There is no such key.")
        return self.callers[raw_key]

    async def caller_for_operator(self, operator_id: str) -> Caller:
        return attrs.evolve(OPERATOR, operator_id=operator_id)
