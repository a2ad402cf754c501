"""What the CLIs listed, kept over a restart in one small file that may be deleted at any time."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from codara.adapters.secrets import write_private

FILE = "models.json"

log = logging.getLogger(__name__)


@attrs.frozen
class KeptListing:
    """The models that a CLI of one version lists, in its own order.

    `titles` are what it calls them before people, by their names, where it says so.
    """

    version: str
    models: tuple[str, ...]
    titles: Mapping[str, str] = attrs.field(factory=dict)


class Listings:
    """The last listing of each runtime; without a `folder` it is kept in memory only."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known = {} if folder is None else _read(folder / FILE)
        self._writing = asyncio.Lock()

    def of(self, runtime: str) -> KeptListing | None:
        return self._known.get(runtime)

    async def keep(self, runtime: str, listing: KeptListing) -> None:
        """From now on that is what the runtime lists; a disk that takes nothing is warned of."""
        self._known[runtime] = listing
        if self._folder is None:
            return
        async with self._writing:
            text = json.dumps({name: attrs.asdict(each) for name, each in self._known.items()})
            try:
                await asyncio.to_thread(_write, self._folder, text)
            except OSError as error:
                log.warning("%s cannot be written: %s", self._folder / FILE, error)


def _read(path: Path) -> dict[str, KeptListing]:
    """Reads the kept listings; empty if the file is not one of ours: it is written again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _listing(each) for name, each in found.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _listing(found: Mapping[str, object]) -> KeptListing:
    models, titles = found["models"], found["titles"]
    if not isinstance(models, list) or not isinstance(titles, dict):
        raise TypeError("no list of models")
    named = {str(name): str(title) for name, title in titles.items()}
    return KeptListing(str(found["version"]), tuple(str(name) for name in models), named)


def _write(folder: Path, text: str) -> None:
    draft = folder / f".{FILE}.{os.getpid()}"
    write_private(draft, text)
    draft.replace(folder / FILE)
