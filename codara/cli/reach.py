"""How commands get at the house: by the running gateway if there is one, else by themselves."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from codara.errors import LogLocked

if TYPE_CHECKING:
    from codara.client.client import Client, Envelope
    from codara.config.load import Loaded

HOLDER_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.1


@asynccontextmanager
async def reach(loaded: "Loaded") -> AsyncIterator["Client"]:
    """Gives a client of the running gateway if there is one, else of the log itself.

    Nothing is opened before the first request. A log that somebody else holds, a gateway that is
    starting or another command, is waited for, up to 5 s; then LogLocked is raised. Where no
    gateway ever was, a question makes nothing.
    """
    async with AsyncExitStack() as stack:
        yield _Reaching(loaded, stack)


class _Reaching:
    """Finds out at the first request who answers; satisfies `Client`."""

    def __init__(self, loaded: "Loaded", stack: AsyncExitStack) -> None:
        self._loaded = loaded
        self._stack = stack
        self._client: Client | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> "Envelope":
        if self._client is None:
            self._client = await self._running()
        if self._client is None and method == "GET" and self._is_empty():
            return await self._of_nothing(path, query)
        if self._client is None:
            self._client = await self._when_free()
        return await self._client.ask(method, path, query=query, body=body)

    async def _running(self) -> "Client | None":
        from codara.client import running

        gateway = running.read(self._loaded.settings.server.data_dir)
        if gateway is None:
            return None
        from codara.client.remote import remote

        return await self._stack.enter_async_context(remote(gateway))

    def _is_empty(self) -> bool:
        from codara.bootstrap.untouched import is_untouched

        return is_untouched(self._loaded.settings)

    async def _of_nothing(self, path: str, query: Mapping[str, str] | None) -> "Envelope":
        from codara.cli.local import nothing_yet

        async with nothing_yet(self._loaded) as client:
            return await client.ask("GET", path, query=query)

    async def _when_free(self) -> "Client":
        """Opens the log; while somebody holds it, looks for a gateway that has come meanwhile."""
        import asyncio

        from codara.cli.local import local

        give_up = time.monotonic() + HOLDER_SECONDS
        while True:
            try:
                return await self._stack.enter_async_context(local(self._loaded))
            except LogLocked:
                if time.monotonic() >= give_up:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            gateway = await self._running()
            if gateway is not None:
                return gateway
