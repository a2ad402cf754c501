"""What all runtimes with a real CLI have in common: a program, started in a home in a jail."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from codara.adapters.agents.contract import AgentSession, Hello, Runtime
from codara.adapters.agents.home import pictures
from codara.adapters.agents.home.deciding import DECIDES_FOR_ALL
from codara.adapters.agents.home.listings import KeptListing
from codara.adapters.agents.home.programs import (
    REMEDY,
    Program,
    find_program,
    project_folders,
    version_of,
)
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.launch import AgentStart, Launch, Plan, all_of, unprepared
from codara.adapters.agents.obstacles import READ_BY_ALL, look
from codara.adapters.agents.session.answers import ODD, AgentRefused, Gone
from codara.adapters.agents.session.bounds import PromptBound
from codara.adapters.agents.session.execution import Around
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lender import Lender
from codara.adapters.agents.session.output import unreadable
from codara.adapters.agents.session.transport import Transport
from codara.adapters.agents.session.watch import to_the_end
from codara.adapters.agents.visits import MODEL, visiting
from codara.adapters.jail.spec import JailSpec
from codara.application.ports.agents import AgentTurn
from codara.config.providers import Provider
from codara.errors import AgentFailed

ANSWER_SECONDS = 30.0
_SHOWN = 300

R = TypeVar("R")


Make = Callable[[Provider, RuntimeContext], Runtime]
"""Makes a runtime; the module `runtime` of each agent's package has one, named `make`."""


class CliRuntime(ABC):
    """One CLI for every home.

    With `transport` auto a process that stays is tried; where it does not start, the turn gets a
    process of its own (see `Transport`). `tested` is how the versions begin that the tests run,
    `first_words` what a process that stays has answered once it has started. Without a
    `default_login_base_url` its CLI has no logins that could be lent.
    """

    name: ClassVar[str]
    tested: ClassVar[str]
    default_base_url: ClassVar[str]
    default_login_base_url: ClassVar[str] = ""
    takes_images = True
    """By either transport: which one a turn gets may show only once it has started."""
    forks: ClassVar[bool] = True
    """By either transport, for the same reason."""
    efforts: ClassVar[Collection[str]] = ()
    """The values of `AgentTurn.effort` that its CLI takes, by either transport."""
    first_words: ClassVar[str]
    bound_of_staying: ClassVar[PromptBound | None] = None
    """How long a prompt may be for a process that stays."""
    bound_of_passing: ClassVar[PromptBound | None] = None
    """How long a prompt may be for a process of its own."""
    decides: ClassVar[tuple[str, ...]]
    """Files and folders of a home that its CLI would obey: an agent may have left them."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Files of a workspace that its CLI opens at its start."""
    keeps: ClassVar[tuple[str, ...]]
    """Folders of a home that its CLI has to be able to use."""

    def __init__(self, settings: Provider, house: RuntimeContext) -> None:
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

    def opens_early(self, turn: AgentTurn) -> bool:
        """A process that stays needs no account before its first turn."""
        return self._transport.stays_in(turn.workspace_id)

    def prompt_bound(self, workspace_id: str) -> PromptBound | None:
        """See `contract.Bounded`."""
        stays = self._transport.stays_in(workspace_id)
        return self.bound_of_staying if stays else self.bound_of_passing

    def program(self) -> Program:
        """The native program; AgentMissing with the remedy if it is not there. Touches the disk."""
        return find_program(
            self._settings.binary,
            setting=f"providers.{self.name}.binary",
            remedy=REMEDY,
            follow=self.native,
            places=project_folders(),
        )

    async def version(self) -> str:
        """Returns what the program says of itself; AgentFailed if it cannot be asked."""
        return await version_of(await asyncio.to_thread(self.program))

    def models(self) -> Sequence[str]:
        """Returns the CLI's list, as far as it is known, with the default in front."""
        known = self._house.listings.of(self.name)
        return tuple(dict.fromkeys((*self._default, *(known.models if known else ()))))

    def titles(self) -> Mapping[str, str]:
        """Returns what the CLI calls its models before people, by name, as far as it is known."""
        known = self._house.listings.of(self.name)
        return known.titles if known else {}

    async def learn(self) -> None:
        """See `contract.Listing`; the list is kept with the version that gave it."""
        version, known = await self.version(), self._house.listings.of(self.name)
        if known is not None and known.version == version:
            return
        async with visiting(self._house, self.name, self._settings.default_model) as turn:
            models = await self._asked(turn)
        titles = {name: title for name, title in models.items() if title}
        await self._house.listings.keep(self.name, KeptListing(version, tuple(models), titles))

    async def hello(self) -> Hello:
        """See `contract.Greeting`: a process that stays is opened, any other says its version."""
        trouble = ""
        async with visiting(self._house, self.name, self._settings.default_model) as turn:
            if self._transport.stays_in(turn.workspace_id):
                try:
                    await to_the_end((await self._staying(turn)).close())
                    return Hello(transport="persistent", answered=self.first_words)
                except AgentFailed as failure:
                    if self._settings.transport != "auto" or failure.cause != "crashed":
                        raise
                    trouble = failure.message
            await self._said(turn, lambda _, __: Launch(arguments=("--version",), env={}))
        return Hello(transport="process", answered="--version", trouble=trouble)

    async def open(self, turn: AgentTurn) -> AgentSession:
        """See `Runtime.open`."""
        return await self._transport.open(
            turn.workspace_id, lambda: self._staying(turn), lambda: self._passing(turn)
        )

    @staticmethod
    @abstractmethod
    def native(launcher: Path) -> Path | None:
        """Returns the native program behind a launcher; None if it is no launcher of this CLI."""

    @abstractmethod
    async def _staying(self, turn: AgentTurn) -> AgentSession:
        """A session whose process stays; AgentFailed if it does not start."""

    @abstractmethod
    def _passing(self, turn: AgentTurn) -> AgentSession:
        """A session with a process for each turn."""

    @abstractmethod
    async def _listed(self, visit: AgentTurn) -> Mapping[str, str]:
        """What the CLI lists; Refused, Gone or AgentFailed if it does not."""

    def _suspects(self, workspace: int) -> str | None:
        """Returns what in an open workspace would have the CLI start programs; None if nothing."""
        return None

    @property
    def _default(self) -> tuple[str, ...]:
        return (self._settings.default_model,) if self._settings.default_model else ()

    async def _asked(self, visit: AgentTurn) -> Mapping[str, str]:
        """Its list, without what a visit has to name where there is no default."""
        try:
            models = await self._listed(visit)
        except (AgentRefused, Gone, *ODD) as error:
            raise AgentFailed(f"{self.name} lists no models: {error!r}") from error
        own = {name: title for name, title in models.items() if name.rpartition("/")[2] != MODEL}
        if not own:
            raise AgentFailed(f"{self.name} lists no models")
        return own

    async def _said(self, visit: AgentTurn, plan: Plan) -> str:
        """What the program says until it ends; AgentFailed if that is nothing, or takes 30 s."""
        launched = await self._launch(visit, plan)
        jail, path = launched.jail, launched.program.path
        try:
            jail.stdin.close()
            async with asyncio.timeout(ANSWER_SECONDS):
                said = await all_of(jail.stdout)
            words = await jail.last_words()
        except TimeoutError:
            raise AgentFailed(f"{path} says nothing in the jail") from None
        finally:
            await to_the_end(jail.close(grace=0))
        text = said.decode("utf-8", "replace").strip()
        if not text:
            why = words[-_SHOWN:].decode("utf-8", "replace").strip() or "it said nothing"
            raise AgentFailed(f"{path} does not run in the jail: {why}")
        return text

    async def _launch(self, turn: AgentTurn, plan: Plan) -> Launched:
        """Starts the program in a jail around the turn's workspace and home."""
        program = await asyncio.to_thread(self.program)
        await asyncio.to_thread(look, turn.folder, (*READ_BY_ALL, *self.reads), self._suspects)
        home = await self._home(turn.workspace_id)
        await self._sweep(turn.workspace_id)
        await self._strip(home)
        jail_id = self._house.new_id("jail")
        broker = self._house.ways_out.open(jail_id, self._settings.allow_hosts)
        try:
            launch = plan(self._house.jails.inner_home(home), broker.doors)
            for path, content in launch.files.items():
                await self._write(home, path, content)
            for path, target in launch.links.items():
                await self._link(home, path, target)
        except BaseException:
            await to_the_end(broker.close())
            raise
        spec = JailSpec(
            jail_id=jail_id,
            workspace_id=turn.workspace_id,
            runtime=self.name,
            argv=(*program.words, *launch.arguments),
            env=launch.env,
            workspace=turn.folder,
            home=home,
            read_only_workspace=turn.read_only,
            program_dirs=program.folders,
            begins_in=launch.begins_in,
            seen_at=launch.seen_at,
            limits=self._house.limits,
        )
        jail = await self._house.jails.start(spec, broker)
        return Launched(program=program, jail=jail, broker=broker)

    async def _started(self, session: AgentStart, starting: Coroutine[Any, Any, R]) -> R:
        """Its first words; one that does not speak them is ended, with AgentFailed."""
        try:
            said = await starting
            await session.ready()
        except ODD as error:
            await to_the_end(session.close())
            told = f"{self.name} did not start: {unreadable(self.name, error)}"
            raise AgentFailed(told, cause="crashed") from error
        except BaseException:
            await to_the_end(session.close())
            raise
        return said

    async def _home(self, workspace_id: str) -> Path:
        """The home of a workspace; AgentFailed where none can be made."""
        homes = self._house.homes
        try:
            return await asyncio.to_thread(homes.ensure, workspace_id, self.name)
        except OSError as error:
            raise unprepared(homes.place(workspace_id, self.name), error) from error

    def _around(self, turn: AgentTurn) -> Around:
        """What the execution of a turn needs."""
        return Around(
            lender=self._lender,
            clock=self._house.clock,
            sweep=partial(self._sweep, turn.workspace_id),
            bound=self.bound_of_passing,
        )

    async def _sweep(self, workspace_id: str) -> None:
        """Takes pictures out of a home: a turn's at its end, or what a killed gateway left."""
        homes = self._house.homes
        home = homes.place(workspace_id, self.name)
        await asyncio.to_thread(homes.sweep, home, pictures.FOLDER)

    async def _strip(self, home: Path) -> None:
        """Leaves nothing in a home by which an agent would decide how the next one starts."""
        decides = (*DECIDES_FOR_ALL, *self.decides)
        await self._changed(home, partial(self._house.homes.strip, home, decides, self.keeps))

    async def _link(self, home: Path, path: str, target: Path) -> None:
        await self._changed(home, partial(self._house.homes.link, home, path, target))

    async def _write(self, home: Path, path: str, content: str | bytes) -> None:
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        await self._changed(home, partial(self._house.homes.write, home, path, data))

    async def _changed(self, home: Path, change: Callable[[], None]) -> None:
        try:
            await to_the_end(asyncio.to_thread(change))
        except OSError as error:
            raise unprepared(home, error) from error
