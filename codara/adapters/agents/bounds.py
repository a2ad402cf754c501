"""What all agents together may take, and who weighs them."""

from collections.abc import Awaitable, Callable, Mapping

import attrs

from codara.adapters.agents.slots import HomeKey

Weigh = Callable[[], Awaitable[Mapping[HomeKey, int]]]
"""Bytes that the agents take, by home."""


@attrs.frozen(kw_only=True)
class Bounds:
    """`memory` in bytes for all of them, and how long (s) a turn waits for a process."""

    memory: int = 8 << 30
    patience: float = 30.0


USUAL = Bounds()


async def weightless() -> Mapping[HomeKey, int]:
    """Nobody is weighed."""
    return {}
