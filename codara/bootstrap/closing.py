"""Closing: whatever is open is closed when the block that uses it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar


class Closes(Protocol):
    """A part of the house that has to be closed."""

    async def close(self) -> None: ...


T = TypeVar("T", bound=Closes)


@asynccontextmanager
async def closing(part: T) -> AsyncIterator[T]:
    """Yields `part`, and closes it at the end of the block, however it ends."""
    try:
        yield part
    finally:
        await part.close()
