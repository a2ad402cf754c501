"""Read models that a decision asks, as plain values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from codara.application.ports.jails import LeftJail
from codara.events.thread import Thread


class AccountStanding(Protocol):
    """An account as the read model knows it. `headroom` is in percent, None where never seen."""

    @property
    def account_id(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def until(self) -> datetime | None: ...

    @property
    def headroom(self) -> float | None: ...

    @property
    def last_used_at(self) -> datetime | None: ...

    @property
    def primary(self) -> bool: ...


class AccountStandings(Protocol):
    async def of_provider(self, provider: str) -> Sequence[AccountStanding]:
        """All registered accounts of the provider, removed ones left out."""


class KnownPoint(Protocol):
    """A point that a session has reached: the end of one of its turns.

    `last` if no later turn has ended. `tree` is the workspace's tree behind the turn, "" where that
    is unknown.
    """

    @property
    def session_id(self) -> str: ...

    @property
    def turn_id(self) -> str: ...

    @property
    def thread(self) -> Thread: ...

    @property
    def last(self) -> bool: ...

    @property
    def system(self) -> str: ...

    @property
    def chat(self) -> str: ...

    @property
    def order(self) -> int: ...


class Points(Protocol):
    """The transcript points of sessions, as far as the read model has come."""

    async def of_digests(
        self, digests: Sequence[str], *, caller: str, workspace_id: str, provider: str
    ) -> Sequence[KnownPoint]:
        """Points of unnamed sessions with one of these digests, the latest first, at most 100."""

    async def of_tail(
        self, tail: str, *, caller: str, workspace_id: str, provider: str
    ) -> Sequence[KnownPoint]:
        """Ends of unnamed sessions with this digest of their last two exchanges."""

    async def of_session(
        self, session_id: str, digests: Sequence[str], *, provider: str
    ) -> Sequence[KnownPoint]:
        """Points of one session with one of these digests, the latest first."""


class LiveFeed(Protocol):
    """Read models that follow the log."""

    def position(self) -> int:
        """The position that all of them have folded."""

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`."""


class OpenTurn(Protocol):
    """A turn that the log says has not ended."""

    @property
    def turn_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def workspace_id(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    @property
    def started(self) -> bool: ...


class Unfinished(Protocol):
    """What recovery has to look after."""

    async def turns(self) -> Sequence[OpenTurn]: ...

    async def jails(self) -> Sequence[LeftJail]: ...


class KeyStreams(Protocol):
    async def key_stream(self, key_id: str) -> str | None:
        """The stream of an API key, whose name only an HMAC of the key could tell."""


class Expiring(Protocol):
    async def due(self, now: datetime, most: int) -> Sequence[str]:
        """Sessions whose time was over by `now`, and of which the log does not say so yet."""
