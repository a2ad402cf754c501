"""Real jails for tests: a journal that remembers, a place to work in, Python as the agent."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from codara.adapters.egress.ways import WaysOut
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.jails import Jails
from codara.adapters.jail.spec import JailLimits, JailSpec
from tests.fakes.journal import Journal

INTERPRETER = Path(sys.executable).resolve()
PROGRAM_DIRS = (Path(sys.base_prefix).resolve(),)
REMEDY = (
    "bubblewrap is missing: `apt-get install bubblewrap`, or set CODARA_TEST_WITHOUT_JAIL=1 to"
    " leave these tests out knowingly"
)


def need_bubblewrap() -> None:
    """Fails, with the remedy, where there is no bubblewrap; skips only when told to."""
    if os.environ.get("CODARA_TEST_WITHOUT_JAIL") == "1":
        pytest.skip("CODARA_TEST_WITHOUT_JAIL=1")
    if shutil.which("bwrap") is None:
        pytest.fail(REMEDY)


class Place:
    """A workspace and a home below a folder that only its owner may enter; ends with `close`."""

    def __init__(self, jails: Jails, journal: Journal, folder: Path) -> None:
        self.jails = jails
        self.ways = WaysOut(journal, walls=jails.jailed)
        self.workspace = folder / "work space"
        self.home = folder / "home"
        self._made = 0

    async def make(self) -> None:
        for folder in (self.workspace, self.home):
            folder.mkdir()
            await self.jails.adopt(folder)

    def spec(self, *argv: str, **changes: object) -> JailSpec:
        self._made += 1
        given: dict[str, object] = {
            "jail_id": f"jail_test_{os.getpid()}_{self._made}",
            "workspace_id": "wsp_1",
            "runtime": "test",
            "argv": argv,
            "env": {},
            "workspace": self.workspace,
            "home": self.home,
            "program_dirs": PROGRAM_DIRS,
            "limits": JailLimits(),
        }
        return JailSpec(**(given | changes))  # type: ignore[arg-type]

    def python(self, script: str, *arguments: str, **changes: object) -> JailSpec:
        words = (str(INTERPRETER), "-I", "-S", "-c", script, *arguments)
        return self.spec(*words, **changes)

    async def start(self, spec: JailSpec) -> Jail:
        """A jail with a way out on which nothing is lent."""
        return await self.jails.start(spec, self.ways.open(spec.jail_id))

    async def close(self) -> None:
        await self.jails.close()
        await self.ways.close()

    async def run(self, spec: JailSpec) -> tuple[int | None, str, str]:
        """Runs it to its end: exit code, what it wrote, what it complained of."""
        jail = await self.start(spec)
        try:
            async with asyncio.timeout(60):
                said = await jail.stdout.read(-1)
                code = await jail.wait()
            return code, said.decode(), (await jail.last_words()).decode()
        finally:
            await jail.close(grace=0)
