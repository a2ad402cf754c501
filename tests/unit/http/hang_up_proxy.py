"""A proxy that hangs up on its first client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def cutting(url: str, reached: asyncio.Event) -> AsyncIterator[str]:
    """A proxy before `url`: it hangs up on its first client once `reached` is set."""
    host, _, port = url.removeprefix("http://").partition(":")
    came: list[asyncio.Task[Any]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = not came
        came.append(asyncio.current_task())  # type: ignore[arg-type]
        behind, beyond = await asyncio.open_connection(host, int(port))
        both = {
            asyncio.create_task(pass_on(reader, beyond)),
            asyncio.create_task(pass_on(behind, writer)),
        }
        if is_first:
            both.add(asyncio.create_task(reached.wait()))  # type: ignore[arg-type]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for each in (writer, beyond):
                each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in came:
            each.cancel()
        await asyncio.gather(*came, return_exceptions=True)
