"""What a program is started with, and what keeps it from that."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import attrs

from codara.adapters.agents.session.lines import CHUNK
from codara.adapters.egress.doors import Doors
from codara.errors import AgentFailed

_MOST_BYTES = 16 * 1024 * 1024
_NO_FILES: Mapping[str, str | bytes] = {}
_NO_LINKS: Mapping[str, Path] = {}


@attrs.frozen(kw_only=True)
class Launch:
    """How a program is started: its arguments, its variables, and what its home has to hold.

    It begins in the workspace, or in `begins_in`, where an agent can put nothing. It sees the
    workspace at its own path, or at `seen_at`.
    """

    arguments: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str | bytes] = _NO_FILES
    """Texts and pictures by their paths in the home."""
    links: Mapping[str, Path] = _NO_LINKS
    """Files of the workspace that are to be found in the home too, by their paths there."""
    begins_in: Path | None = None
    seen_at: Path | None = None


Plan = Callable[[Path, Doors], Launch]
"""Words a launch for a home, as the agent sees it, and the doors of its jail."""


class AgentStart(Protocol):
    """A session on its way."""

    async def ready(self) -> None:
        """Returns once it has started."""

    async def close(self) -> None: ...


async def all_of(stream: asyncio.StreamReader) -> bytes:
    """Returns all that comes, or as much of it as is worth reading."""
    said = bytearray()
    while len(said) < _MOST_BYTES and (piece := await stream.read(CHUNK)):
        said += piece
    return bytes(said)


def unprepared(home: Path, error: OSError) -> AgentFailed:
    """Returns the error for a home in which something is in the way."""
    return AgentFailed(f"{home} cannot be prepared: {error}; remove what is in the way")
