"""Read models that decisions ask, as plain values."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from codara.application.ports.jails import LeftJail
from codara.events.thread import Thread
from codara.events.vocabulary import AccountStatus, SessionStatus


class AccountStanding(Protocol):
    """An account as the read model knows it; `headroom` is in percent, None if never observed.

    `full_until` is when the last of its full quota windows ends; None if none is full.
    """

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
    def full_until(self) -> datetime | None: ...

    @property
    def last_used_at(self) -> datetime | None: ...

    @property
    def primary(self) -> bool: ...


class AccountStandings(Protocol):
    async def of_provider(self, provider: str) -> Sequence[AccountStanding]:
        """Returns all registered accounts of the provider."""


class KnownPoint(Protocol):
    """A point that a session has reached: the end of one of its turns.

    `last`: no later turn has ended. `tree` is the id of the workspace's tree after the turn; empty
    if it is not known.
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
        """Returns up to 100 points of unnamed sessions with one of these digests, latest first."""

    async def of_tail(
        self, tail: str, *, caller: str, workspace_id: str, provider: str
    ) -> Sequence[KnownPoint]:
        """Returns the ends of unnamed sessions with this digest of their last two exchanges."""

    async def of_session(
        self, session_id: str, digests: Sequence[str], *, provider: str
    ) -> Sequence[KnownPoint]:
        """Returns the points of one session with one of these digests, the latest first."""


class LiveFeed(Protocol):
    """Read models that follow the log."""

    def position(self) -> int:
        """Returns the position that all of them have folded."""

    async def wait_for(self, position: int, seconds: float) -> bool:
        """Returns True once every read model has folded `position`; False after `seconds`."""


class Following(LiveFeed, Protocol):
    """Read models that know how far the log has come."""

    def head(self) -> int:
        """Returns the last position of the log."""


class LeftTurn(Protocol):
    """A turn that has not ended, according to the log."""

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
    """What a gateway left unfinished, for recovery."""

    async def turns(self) -> Sequence[LeftTurn]: ...

    async def jails(self) -> Sequence[LeftJail]: ...


class KeyStreams(Protocol):
    async def key_stream(self, key_id: str) -> str | None:
        """Returns the stream of an API key; None if the id is not known.

        The stream's name is an HMAC of the key itself, so that it cannot be told from the id.
        """


class ListedSession(Protocol):
    """A session as a listing shows it."""

    @property
    def session_id(self) -> str: ...

    @property
    def status(self) -> SessionStatus: ...


class ListedSessions(Protocol):
    """A page of sessions; `cursor` asks for the next one, if there is more."""

    @property
    def items(self) -> Sequence[ListedSession]: ...

    @property
    def cursor(self) -> str | None: ...

    @property
    def has_more(self) -> bool: ...


class SessionPages(Protocol):
    async def list(self, *, limit: int, cursor: str | None, every: bool) -> ListedSessions:
        """Returns a page of sessions; with `every`, one-off calls too."""


class Expiring(Protocol):
    async def due(self, now: datetime, most: int) -> Sequence[str]:
        """Returns up to `most` sessions that had expired by `now` without an event that says so."""


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
    """A home, and the log position of its last turn."""

    @property
    def workspace_id(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def used(self) -> int: ...


class KeptThreads(Protocol):
    """The agents' own conversations in their homes (a home: one workspace, one provider)."""

    async def ended(
        self, most: int, *, but: Collection[tuple[str, str]] = ()
    ) -> Sequence[EndedThreads]:
        """Returns, by home, the threads that no session needs any more; skips homes in `but`."""

    async def uncontinued(
        self, workspace_id: str, provider: str, most: int
    ) -> Sequence[IdleThread]:
        """Returns threads with one turn that no open turn may need, the longest unused first."""

    async def others(self, workspace_id: str, provider: str, most: int) -> Sequence[IdleThread]:
        """Returns the same of threads with several turns."""

    async def homes(self, since: int, most: int) -> Sequence[UsedHome]:
        """Returns the homes with a turn after position `since`, the longest unused first."""
