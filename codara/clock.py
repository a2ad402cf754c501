"""The one source of wall-clock time: aware UTC, passed in wherever time matters."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Returns the present moment as an aware UTC datetime."""
    return datetime.now(UTC)
