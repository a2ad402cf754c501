"""What follows the log: its name, its position, how it does, and what it is given to read."""

import os
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import attrs

from codara.errors import CodaraError
from codara.events.base import Recorded

BATCH = 250
KEPT = 64
"""Up to this many decoded events are remembered: all that the log itself has in memory."""
_MARKS_A_LIFE = 16
"""A lag is told to about a sixteenth of itself."""


class Positioned(Protocol):
    """Anything that stands at a position of the log."""

    @property
    def position(self) -> int: ...


P = TypeVar("P", bound=Positioned)
P_contra = TypeVar("P_contra", bound=Positioned, contravariant=True)

Read = Callable[[int, int], Awaitable[Sequence[P]]]
"""Reads a batch of what stands behind the first position, up to and with the second."""


class Follower(Protocol[P_contra]):
    """What follows the log: its work, and how far the work has come.

    `position` is durable: a follower that is made again has the one it had. Where the work has a
    transaction of its own, the position lives in it, and nothing is lost or done twice.
    """

    @property
    def name(self) -> str: ...

    @property
    def position(self) -> int: ...

    async def take(self, batch: Sequence[P_contra], /) -> None:
        """Does the work of a batch, and moves `position` to its last event.

        The batch is all that the log holds behind `position`, up to its own last event. Raises
        what went wrong; it then gets what stands behind `position` again, never anything later.
        Cancelled, it leaves nothing at work that its owner does not wait for when closing.
        """


class FollowedLog(Protocol):
    """What is needed of the log to know when there is more of it."""

    def head(self) -> int: ...

    async def wait_past(self, position: int) -> None: ...


class SealedLog(Protocol):
    """What is needed of the log to read events without touching a key."""

    async def read(
        self, after: int, *, limit: int = ..., until: int | None = ..., sealed: bool = ...
    ) -> list[Recorded]: ...


@attrs.frozen(kw_only=True)
class FollowerStanding:
    """Tells how a follower does: up to where it has come, and what holds it up.

    `lag_seconds` is for how long events have been waiting for it. `trouble` is None while all is
    well. An `essential` one never skips an event, and turns cannot run while it is in trouble.
    """

    name: str
    position: int
    lag_seconds: float
    trouble: str | None
    essential: bool


class Batches:
    """Reads the log for several followers: what one of them just got is not decoded again."""

    def __init__(self, log: SealedLog) -> None:
        self._log = log
        self._kept: tuple[int, int, Sequence[Recorded]] = (0, 0, ())

    async def read(self, after: int, until: int) -> Sequence[Recorded]:
        """Reads up to `BATCH` events behind `after`, up to and with `until`, private fields sealed.

        Raises what the log raises: StorageFailed, LogDamaged.
        """
        if after >= until:
            return ()
        if self._kept[:2] == (after, until):
            return self._kept[2]
        batch = await self._log.read(after, limit=BATCH, until=until, sealed=True)
        if 0 < len(batch) <= KEPT:
            self._kept = (after, until, batch)
        return batch


class Lag:
    """Measures for how long events have been waiting, from where the log stood and when."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._marks: deque[tuple[int, float]] = deque()

    def seconds(self, position: int, head: int) -> float:
        """Returns for how many seconds something behind `position` has been there; 0 for nothing.

        It knows what it is asked: an event counts from the first call that has it in `head`.
        """
        now, marks = self._monotonic(), self._marks
        while marks and marks[0][0] <= position:
            marks.popleft()
        if head > position and self._is_worth_a_mark(head, now):
            marks.append((head, now))
        return now - marks[0][1] if marks else 0.0

    def _is_worth_a_mark(self, head: int, now: float) -> bool:
        """The longer it lags, the further apart the marks are: there are never many of them."""
        if not self._marks:
            return True
        (_, first), (newest, last) = self._marks[0], self._marks[-1]
        return head > newest and (now - last) * _MARKS_A_LIFE >= now - first


def words_of(error: BaseException) -> str:
    """Tells an error in words that hold no secret: others' messages may name addresses and tokens.

    Our own errors and SQLite's are told whole, those of the system by what the system calls them.
    """
    kind = type(error).__name__
    if isinstance(error, CodaraError):
        return f"{kind}: {error.message}"
    if isinstance(error, sqlite3.Error):
        return f"{kind}: {error}"
    if isinstance(error, OSError) and error.errno:
        return f"{kind}: {os.strerror(error.errno)}"
    return kind
