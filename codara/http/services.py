"""What the doors ask of the house: one bundle, handed to every handler under one key."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import attrs
from aiohttp import web

from codara.application.accounts import Accounts
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.ports.frames import Frame
from codara.application.turns.commands import RunTurn, Started, TurnResult
from codara.application.turns.waiting import Waiter
from codara.application.users import Users
from codara.clock import Clock
from codara.config.settings import Settings
from codara.events.base import Cause
from codara.ids import NewId


class TurnHandle(Protocol):
    """A turn that was requested, as one of its listeners holds it."""

    @property
    def turn_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def workspace_id(self) -> str: ...

    @property
    def replayed(self) -> bool:
        """The turn had ended before this request came: the recorded answer is given again."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Leaving before the end counts as "client gone" when it was the last listener."""

    async def started(self) -> Started:
        """Returns when the turn has started; raises the CodaraError it was refused with."""

    def frames(self) -> AsyncIterator[Frame]:
        """Everything the agent said, from the very first frame; ends with the turn."""

    async def result(self) -> TurnResult:
        """Returns when the turn has ended; raises the CodaraError it failed with."""


class Turns(Protocol):
    """Runs turns, and ends them early."""

    async def submit(self, request: RunTurn, /) -> TurnHandle:
        """Requests a turn, or joins one; raises a CodaraError when refused at once.

        A caller that is cancelled meanwhile tears nothing apart: it counts as one that left.
        """

    def waiting(self) -> Sequence[Waiter]:
        """The requests that wait for their place, in the order in which they came."""

    async def cancel(self, turn_id: str, user_id: str | None, cause: Cause, /) -> None:
        """Asks a turn to end. NotFound if it is unknown, ended, or not of `user_id`."""


class Sessions(Protocol):
    async def reset(self, session_id: str, user_id: str | None, cause: Cause, /) -> int:
        """Lets the next turn begin a fresh thread; returns the position. NotFound as above."""


class Page(Protocol):
    """A piece of a listing, newest first; `encoding.shown` makes JSON of its rows."""

    @property
    def items(self) -> Sequence[Any]: ...

    @property
    def cursor(self) -> str | None: ...

    @property
    def has_more(self) -> bool: ...


class Items(Protocol):
    """Things that can be asked for one by one."""

    async def get(self, item_id: str, /) -> Any:
        """A row, of which `encoding.shown` makes JSON; None if there is none."""


class View(Items, Protocol):
    """A read model that can be listed."""

    @property
    def list(self) -> Callable[..., Awaitable[Page]]:
        """A page, newest first, by `limit`, `cursor` and the filters this read model knows."""


class Views(Protocol):
    """Everything that can be asked, and how far it has followed the log."""

    @property
    def sessions(self) -> View: ...

    @property
    def tasks(self) -> View: ...

    @property
    def traces(self) -> Items: ...

    @property
    def workspaces(self) -> View: ...

    @property
    def accounts(self) -> View: ...

    @property
    def users(self) -> View: ...

    @property
    def audit(self) -> View: ...

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`."""

    def position(self) -> int:
        """The position that all read models have reached."""

    def head(self) -> int:
        """The last position of the log they follow."""


class Health(Protocol):
    def reasons(self) -> list[str]:
        """Why the gateway cannot do its work now; empty when it can."""


@attrs.frozen(kw_only=True)
class Services:
    """The services behind the doors; `bootstrap.py` makes the one there is."""

    turns: Turns
    sessions: Sessions
    users: Users
    accounts: Accounts
    operators: Operators
    models: Models
    views: Views
    health: Health
    settings: Settings
    clock: Clock
    new_id: NewId


SERVICES = web.AppKey("services", Services)
