"""Lines of any length from a stream reader, without its limit."""

import asyncio
from collections.abc import AsyncIterator

LONGEST_LINE = 64 * 1024 * 1024
CHUNK = 128 * 1024


async def lines_of(
    reader: asyncio.StreamReader, *, longest: int = LONGEST_LINE
) -> AsyncIterator[bytes]:
    """Yields lines without their line end; what a line has beyond `longest` bytes is dropped.

    One iteration reads the stream to its end: what was read ahead is lost with the iterator.
    """
    held = bytearray()
    while chunk := await reader.read(CHUNK):
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            held += piece[: longest - len(held)]
            yield bytes(held)
            held.clear()
        held += rest[: longest - len(held)]
    if held:
        yield bytes(held)
