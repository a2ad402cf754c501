"""Commands without a gateway: the log, the views and the services, opened in this process."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs

from codara.application.accounts import NewAccount
from codara.application.users import NewUser
from codara.config.load import Loaded
from codara.errors import Conflict, NotFound
from codara.events.base import Cause
from codara.http.encoding import shown
from codara.http.services import Services, View

ACTOR = "cli"
_VISIBLE_SECONDS = 5.0
_ONE = {
    "users": "user",
    "accounts": "account",
    "sessions": "session",
    "tasks": "task",
    "traces": "trace",
}


@attrs.frozen
class OfflineBackend:
    """Uses the same services as the doors, as actor `cli`."""

    services: Services

    async def list(self, kind: str, limit: int, filters: Mapping[str, str]) -> list[Any]:
        found: list[Any] = []
        cursor: str | None = None
        given: dict[str, Any] = {name: value for name, value in filters.items() if name != "all"}
        if "all" in filters:
            given["every"] = True
        while True:
            page = await self._view(kind).list(limit=min(limit, 200), cursor=cursor, **given)
            found += shown(page.items)
            cursor = page.cursor
            if len(found) >= limit or not page.has_more:
                return found[:limit]

    async def get(self, kind: str, item_id: str) -> Any:
        found = await self._view(kind).get(item_id)
        if found is None:
            raise NotFound(f"There is no {_ONE[kind]} {item_id}.")
        return shown(found)

    async def create_user(self, new: NewUser) -> Any:
        made = await self.services.users.provision(new, self._cause())
        await self._visible(made.position)
        key = attrs.asdict(made.key, filter=attrs.filters.exclude("position"))
        return {**await self.get("users", made.user_id), "api_key": key}

    async def add_account(self, new: NewAccount) -> Any:
        await self._visible(await self.services.accounts.register(new, self._cause()))
        return await self.get("accounts", new.account_id)

    async def cancel_task(self, task_id: str) -> None:
        await self.get("tasks", task_id)
        raise Conflict("No gateway runs on this data folder, so no task does.")

    def _cause(self) -> Cause:
        return Cause(actor=ACTOR, correlation_id=secrets.token_hex(16))

    async def _visible(self, position: int | None) -> None:
        if position is not None:
            await self.services.views.wait_for(position, _VISIBLE_SECONDS)

    def _view(self, kind: str) -> View:
        view: View = getattr(self.services.views, kind)
        return view


@asynccontextmanager
async def offline(loaded: Loaded) -> AsyncIterator[OfflineBackend]:
    """The house opened without a gateway; LogLocked if another process holds its log."""
    from codara.bootstrap import house

    async with house.offline(loaded) as services:
        yield OfflineBackend(services)
