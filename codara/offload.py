"""Work on the event loop while it is small, and in a thread when it is not.

Waking a thread costs some 50 µs and a switch of the interpreter's lock. Small work takes less than
that; large work would keep everybody else waiting.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TEXT = 64 * 1024
"""Characters (or bytes) of text that are handled in less time than a thread takes to be woken."""
PIECE = 512
"""A single message costs about as much as this many characters, however short it is."""


async def by_size(work: Callable[[], T], *, size: int, most: int = TEXT) -> T:
    """Does the work at once if its `size` is up to `most`, else in a thread; returns its result."""
    return work() if size <= most else await asyncio.to_thread(work)
