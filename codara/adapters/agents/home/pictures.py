"""Pictures of one turn in its home, for agents that are shown pictures by the names of files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from codara.application.ports.agents import Image
from codara.errors import AgentFailed

FOLDER = ".codara/pictures"
"""In the home; nothing in it outlives its turn."""

_PLAIN = re.compile(r"[\w/ .-]+")
"""Other characters are lists or patterns to some agents, which then find no such file."""


def files_of(images: Sequence[Image], home: Path) -> Mapping[str, bytes]:
    """Returns the pictures in their order, by their paths in the home.

    `home` is how the agent knows it; AgentFailed where that name keeps agents from reading them.
    """
    if images and not _PLAIN.fullmatch(str(home)):
        raise AgentFailed(f"no agent can be shown pictures in {home}: rename what is odd in it")
    return {_name(at, image): image.data for at, image in enumerate(images, 1)}


def places_of(images: Sequence[Image], home: Path) -> tuple[Path, ...]:
    """Returns where they are, in their order."""
    return tuple(home / _name(at, image) for at, image in enumerate(images, 1))


def _name(at: int, image: Image) -> str:
    return f"{FOLDER}/image-{at}.{image.media_type.rpartition('/')[2]}"
