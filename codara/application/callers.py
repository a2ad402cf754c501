"""Callers: a user with a key, or an operator, whose turns run as the Dashboard Admin."""

from datetime import datetime

import attrs


@attrs.frozen(kw_only=True)
class Caller:
    """An authenticated caller of the OpenAI API.

    `key_until` is when the key expires; None if it never does, or if an operator calls.
    """

    user_id: str
    key_id: str | None
    max_concurrency: int
    operator_id: str | None = None
    key_until: datetime | None = None

    @property
    def actor(self) -> str:
        """Returns the caller's name for an event's envelope."""
        return f"operator:{self.operator_id}" if self.operator_id else f"user:{self.user_id}"
