"""The house without a gateway: for one command, in its own process."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from codara.application.turns.commands import RunTurn
from codara.application.turns.waiting import Waiter
from codara.bootstrap.house import open_house
from codara.config.load import Loaded
from codara.config.settings import Database, Settings
from codara.errors import Conflict
from codara.events.base import Cause
from codara.http.services import HeldTurn, Services

_NOBODY = "No gateway runs on this data folder, so no task does."


@asynccontextmanager
async def offline(loaded: Loaded) -> AsyncIterator[Services]:
    """Opens the services without a gateway: nothing is recovered, and no turn runs.

    LogLocked while a gateway (or another command) has the data folder.
    """
    async with open_house(loaded) as house:
        yield attrs.evolve(house.services, turns=NoTurns())


@asynccontextmanager
async def nothing_yet(loaded: Loaded) -> AsyncIterator[Services]:
    """Opens the services of a data folder in which nothing ever happened.

    They keep what they need in a folder that goes at the end; `loaded`'s own is not touched.
    """
    with tempfile.TemporaryDirectory(prefix="codara-empty-") as folder:
        settings = _moved(loaded.settings, Path(folder))
        async with offline(attrs.evolve(loaded, settings=settings)) as services:
            yield services


class NoTurns:
    """Satisfies `Turns` where no gateway runs: every turn is refused with Conflict."""

    async def submit(self, request: RunTurn, /) -> HeldTurn:
        raise Conflict(_NOBODY)

    def waiting(self) -> Sequence[Waiter]:
        return ()

    async def cancel(self, turn_id: str, user_id: str | None, cause: Cause, /) -> None:
        raise Conflict(_NOBODY)


def _moved(settings: Settings, folder: Path) -> Settings:
    return attrs.evolve(
        settings,
        server=attrs.evolve(settings.server, data_dir=folder),
        database=Database(),
        workspace=attrs.evolve(settings.workspace, root=folder / "workspaces"),
    )
