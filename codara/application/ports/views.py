"""Read models that a decision asks, as plain values."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from codara.application.ports.jails import LeftJail
from codara.events.thread import Thread
from codara.events.vocabulary import AccountStatus


class AccountStanding(Protocol):
    """An account as the read model knows it. `headroom` is in percent, None where never seen."""

    @property
    def account_id(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def status(self) -> AccountStatus: ...

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


class Following(LiveFeed, Protocol):
    """Read models that know how far the log has come."""

    def head(self) -> int:
        """The last position of the log."""


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


class EndedThreads(Protocol):
    """Threads of one home that nobody needs any more."""

    @property
    def workspace_id(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def threads(self) -> Sequence[str]: ...


class IdleThread(Protocol):
    """A thread that no turn is at work with."""

    @property
    def backend_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...


class UsedHome(Protocol):
    """A home, and the position in the log of its last turn."""

    @property
    def workspace_id(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def used(self) -> int: ...


class KeptThreads(Protocol):
    """The agents' own conversations that lie in homes (a home: one workspace, one provider)."""

    async def ended(
        self, most: int, *, but: Collection[tuple[str, str]] = ()
    ) -> Sequence[EndedThreads]:
        """Threads that no session goes on with or branches, by home; none of the homes in `but`."""

    async def uncontinued(
        self, workspace_id: str, provider: str, most: int
    ) -> Sequence[IdleThread]:
        """Threads of one turn, the longest unused first; none that an open turn may need."""

    async def others(self, workspace_id: str, provider: str, most: int) -> Sequence[IdleThread]:
        """The same of threads that have had several turns."""

    async def homes(self, since: int, most: int) -> Sequence[UsedHome]:
        """Homes with a turn behind that position, the longest unused first."""
