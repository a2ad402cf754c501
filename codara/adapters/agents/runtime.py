"""What all runtimes with a real CLI have in common: a program, started in a home in a jail."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import attrs

from codara.adapters.agents.answers import Gone, Refused
from codara.adapters.agents.contract import Runtime, Session
from codara.adapters.agents.house import House
from codara.adapters.agents.lender import Lender
from codara.adapters.agents.programs import (
    REMEDY,
    Program,
    find_program,
    project_folders,
    version_of,
)
from codara.adapters.agents.transport import Transport
from codara.adapters.agents.watch import to_the_end
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.application.ports.agents import AgentTurn
from codara.config.providers import Provider
from codara.errors import AgentFailed

R = TypeVar("R")
_NO_FILES: Mapping[str, str] = {}


@attrs.frozen(kw_only=True)
class Launch:
    """How a program is started: its arguments, its variables, and what its home has to hold."""

    arguments: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str] = _NO_FILES
    """Texts by their paths in the home."""


Plan = Callable[[Path, Doors], Launch]
"""Words a launch for a home, as the agent sees it, and the ways out of its jail."""


Make = Callable[[Provider, House], Runtime]
"""Makes a runtime; the module `runtime` of each agent's package has one, named `make`."""


class Starting(Protocol):
    """A session on its way."""

    async def close(self) -> None: ...


class CliRuntime(ABC):
    """One CLI for every home.

    With `transport` auto a process that stays is tried; once it does not start three times in a
    row, every later turn gets a process of its own. `tested` is how the versions begin that the
    tests run. Without a `default_login_base_url` its CLI has no logins that could be lent.
    """

    name: ClassVar[str]
    tested: ClassVar[str]
    default_base_url: ClassVar[str]
    default_login_base_url: ClassVar[str] = ""

    def __init__(self, settings: Provider, house: House) -> None:
        self.max_processes = settings.max_processes
        self.idle_seconds = settings.idle_seconds
        self._settings = settings
        self._house = house
        self._lender = Lender(
            house.vault,
            house.logins,
            settings.base_url or self.default_base_url,
            settings.login_base_url or self.default_login_base_url,
        )
        self._transport = Transport(settings.transport)
        self._models: tuple[str, ...] = ()
        self._learning: set[asyncio.Task[None]] = set()

    @property
    def takes_images(self) -> bool:
        """A process that stays takes them; one per turn does not."""
        return self._transport.persistent

    def opens_early(self, turn: AgentTurn) -> bool:
        """A process that stays needs no account before its first turn."""
        return self._transport.persistent

    def program(self) -> Program:
        """The native program; AgentFailed with the remedy if it is not there. Touches the disk."""
        return find_program(
            self._settings.binary,
            setting=f"providers.{self.name}.binary",
            remedy=REMEDY,
            follow=self.native,
            places=project_folders(),
        )

    async def version(self) -> str:
        """What the program says of itself; AgentFailed if it cannot be asked."""
        return await version_of(await asyncio.to_thread(self.program))

    def models(self) -> Sequence[str]:
        """The CLI's list, as far as it is known, with the default in front."""
        default = (self._settings.default_model,) if self._settings.default_model else ()
        return tuple(dict.fromkeys((*default, *self._models)))

    async def open(self, turn: AgentTurn) -> Session:
        return await self._transport.open(lambda: self._staying(turn), lambda: self._passing(turn))

    @staticmethod
    @abstractmethod
    def native(launcher: Path) -> Path | None:
        """The native program behind a launcher; None if it is no launcher of this CLI."""

    @abstractmethod
    async def _staying(self, turn: AgentTurn) -> Session:
        """A session whose process stays; AgentFailed if it does not start."""

    @abstractmethod
    def _passing(self, turn: AgentTurn) -> Session:
        """A session with a process for each turn."""

    async def _launch(self, turn: AgentTurn, plan: Plan) -> tuple[Jail, Program]:
        """Starts the program in a jail around the turn's workspace and home."""
        jails = self._house.jails
        program = await asyncio.to_thread(self.program)
        home = await self._home(turn.workspace_id)
        doors = jails.open_doors()
        try:
            launch = plan(jails.inner_home(home), doors)
            for path, text in launch.files.items():
                await self._write(home, path, text)
        except BaseException:
            doors.close()
            raise
        spec = JailSpec(
            jail_id=self._house.new_id("jail"),
            workspace_id=turn.workspace_id,
            runtime=self.name,
            argv=(*program.words, *launch.arguments),
            env=launch.env,
            workspace=turn.folder,
            home=home,
            read_only_workspace=turn.read_only,
            program_dirs=program.folders,
            allow_hosts=self._settings.allow_hosts,
            limits=self._house.limits,
        )
        return await jails.start(spec, doors), program

    async def _started(self, session: Starting, starting: Coroutine[Any, Any, R]) -> R:
        """Its first words; one that does not speak them is ended."""
        try:
            return await starting
        except BaseException:
            await to_the_end(session.close())
            raise

    def _learn(self, listing: Coroutine[Any, Any, Sequence[str]]) -> None:
        """Remembers the models a session lists, beside its first turn."""
        task = asyncio.create_task(self._learnt(listing), name=f"models of {self.name}")
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)

    async def _learnt(self, listing: Coroutine[Any, Any, Sequence[str]]) -> None:
        with contextlib.suppress(Refused, Gone, KeyError, TypeError):
            self._models = tuple(dict.fromkeys((*self._models, *await listing)))

    async def _home(self, workspace_id: str) -> Path:
        """The home of a workspace; AgentFailed where none can be made."""
        homes = self._house.homes
        try:
            return await asyncio.to_thread(homes.ensure, workspace_id, self.name)
        except OSError as error:
            raise unprepared(homes.place(workspace_id, self.name), error) from error

    async def _write(self, home: Path, path: str, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            await asyncio.to_thread(self._house.homes.write, home, path, data)
        except OSError as error:
            raise unprepared(home, error) from error


def unprepared(home: Path, error: OSError) -> AgentFailed:
    """A home in which something is in the way."""
    return AgentFailed(f"{home} cannot be prepared: {error}; remove what is in the way")
