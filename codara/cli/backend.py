"""What commands ask for, whether a gateway runs or not, and how they get at it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from codara.adapters import gatewayfile
from codara.application.accounts import NewAccount
from codara.application.users import NewUser
from codara.cli.offline import offline
from codara.cli.remote import remote
from codara.config.load import Loaded
from codara.errors import LogLocked

HOLDER_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.1

Row = Mapping[str, Any]


class Backend(Protocol):
    """The house as commands see it; `kind` is users, accounts, sessions, tasks or traces.

    Traces cannot be listed.
    """

    async def list(self, kind: str, limit: int, filters: Mapping[str, str]) -> list[Row]:
        """The newest things that fit the filters, at most `limit`."""

    async def get(self, kind: str, item_id: str) -> Row:
        """One thing; NotFound if there is none."""

    async def create_user(self, new: NewUser) -> Row:
        """The user, and under `api_key` the key, whose `raw_key` is shown this once."""

    async def add_account(self, new: NewAccount) -> Row:
        """The account; one that was there has got the new credential."""

    async def cancel_task(self, task_id: str) -> None:
        """Asks a running task to end."""


@asynccontextmanager
async def backend(loaded: Loaded) -> AsyncIterator[Backend]:
    """The running gateway if there is one, else the log itself.

    A log that somebody else holds is waited for, 5 s at most, then LogLocked is raised: a gateway
    that is starting, or another command.
    """
    async with AsyncExitStack() as stack:
        yield await _reach(loaded, stack)


async def _reach(loaded: Loaded, stack: AsyncExitStack) -> Backend:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + HOLDER_SECONDS
    while True:
        running = await asyncio.to_thread(gatewayfile.read, loaded.settings.server.data_dir)
        if running is not None:
            return await stack.enter_async_context(remote(running))
        try:
            return await stack.enter_async_context(offline(loaded))
        except LogLocked:
            if loop.time() >= give_up:
                raise
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
