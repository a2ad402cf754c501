"""What handlers use of the gateway: one bundle, kept in the application under one key."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import attrs
from aiohttp import web

from codara.application.accounts import Accounts
from codara.application.health import Health
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.ports.frames import Frame
from codara.application.repairing import Repairs
from codara.application.sessions import Sessions
from codara.application.turns.commands import RunTurn, Started, TurnResult
from codara.application.turns.waiting import Waiter
from codara.application.users import Users
from codara.clock import Clock
from codara.config.settings import Settings
from codara.events.base import Cause
from codara.ids import NewId
from codara.projections.engine.queries import Page
from codara.projections.views import Views


class HeldTurn(Protocol):
    """A turn that was requested, as one of its listeners holds it."""

    @property
    def turn_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def workspace_id(self) -> str: ...

    @property
    def replayed(self) -> bool:
        """Whether the turn had ended before this request: its recorded answer is given again."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Leaves the turn; before its end, the last listener's leaving counts as "client gone"."""

    async def started(self) -> Started:
        """Returns when the turn has started; raises the CodaraError with which it was refused."""

    def frames(self) -> AsyncIterator[Frame]:
        """Yields everything that the agent said, from the first frame; ends with the turn."""

    async def result(self) -> TurnResult:
        """Returns when the turn has ended; raises the CodaraError with which it failed."""


class RunsTurns(Protocol):
    """Runs turns, and ends them early."""

    async def submit(self, request: RunTurn, /) -> HeldTurn:
        """Requests a turn, or joins one; raises a CodaraError if it is refused at once.

        Cancelling the caller damages nothing: the caller counts as a client that left.
        """

    def waiting(self) -> Sequence[Waiter]:
        """Returns the requests that wait for their place, in the order in which they came."""

    async def cancel(self, turn_id: str, user_id: str | None, cause: Cause, /) -> None:
        """Asks a turn to end; NotFound if it is unknown, has ended, or is not `user_id`'s."""


class Items(Protocol):
    """Items that can be looked up one by one."""

    async def get(self, item_id: str, /) -> Any:
        """Returns a row, of which `encoding.shown` makes JSON; None if it does not exist."""


class View(Items, Protocol):
    """A read model that can be listed."""

    @property
    def list(self) -> Callable[..., Awaitable[Page[Any]]]:
        """Returns a page, newest first, by `limit`, `cursor` and the read model's own filters."""


@attrs.frozen(kw_only=True)
class Services:
    """The services behind the HTTP API; `codara.bootstrap` makes the one instance."""

    turns: RunsTurns
    sessions: Sessions
    repairs: Repairs
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
