"""A clock that stands still until it is moved."""

from datetime import datetime, timedelta

from tests.event_examples import NOW


class FixedClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """`move(minutes=5)`: the arguments of `timedelta`."""
        self.now += timedelta(**by)
