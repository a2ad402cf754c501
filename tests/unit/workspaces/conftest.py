"""Workspaces in a temporary folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from codara.adapters.workspaces.folders import Folders
from codara.adapters.workspaces.walker import WalkLimits
from codara.application.ports.workspaces import Diff, Snapshot


@attrs.frozen
class Bench:
    """One provisioned workspace and what a test does with it."""

    folders: Folders
    folder: Path
    scratch: Path

    async def snapshot(self) -> Snapshot:
        return await self.folders.snapshot("wsp_1", self.folder)

    async def diff(self, base: str, final: str) -> Diff:
        return await self.folders.diff("wsp_1", base, final)

    async def since(self, base: Snapshot) -> Diff:
        return await self.diff(base.tree, (await self.snapshot()).tree)

    @property
    def store(self) -> Path:
        return self.scratch / "trees" / "wsp_1.git"


@attrs.frozen
class Maker:
    scratch: Path
    made: list[Folders]

    async def __call__(self, **limits: object) -> Bench:
        folders = Folders(
            self.scratch / "root", self.scratch / "trees", limits=WalkLimits(**limits)
        )
        self.made.append(folders)
        folder = folders.folder("usr_1", "app")
        await folders.provision("wsp_1", folder)
        return Bench(folders, folder, self.scratch)


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Maker]:
    """Makes a workspace; called again, the same one as after a restart."""
    maker = Maker(tmp_path, [])
    yield maker
    for folders in maker.made:
        await folders.close()
