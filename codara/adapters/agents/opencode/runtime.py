"""Starts opencode in a home: finds the program, words its configuration, makes the jail."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from codara.adapters.agents.contract import Session
from codara.adapters.agents.house import House
from codara.adapters.agents.opencode.config import (
    INSTRUCTIONS_FILE,
    REMEDY,
    TESTED,
    Model,
    OpencodeSettings,
    Way,
    config_of,
    environment,
    native_program,
    run_arguments,
    serve_arguments,
)
from codara.adapters.agents.opencode.execution import Execution
from codara.adapters.agents.opencode.lender import Lender
from codara.adapters.agents.opencode.server import Server
from codara.adapters.agents.opencode.wire import Refused, Unreachable
from codara.adapters.agents.programs import Program, find_program, project_folders, version_of
from codara.adapters.agents.transport import Transport
from codara.adapters.agents.watch import to_the_end
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.application.ports.agents import AgentTurn
from codara.errors import AgentFailed

NAME = "opencode"
AGENTS_FILE = "AGENTS.md"


class OpencodeRuntime:
    """OpenCode for every home.

    With `transport` auto the long-lived server is tried; once it does not start, every later turn
    gets a process of its own.
    """

    name = NAME
    tested = TESTED

    def __init__(self, settings: OpencodeSettings, house: House) -> None:
        self.max_processes = settings.max_processes
        self.idle_seconds = settings.idle_seconds
        self._settings = settings
        self._house = house
        self._lender = Lender(house.vault, settings.base_url)
        self._transport = Transport(settings.transport)
        self._asked: dict[str, None] = {}
        self._models: tuple[str, ...] = ()
        self._listing: set[asyncio.Task[None]] = set()

    @property
    def takes_images(self) -> bool:
        """The server takes them; a process per turn does not."""
        return self._transport.persistent

    @property
    def opens_early(self) -> bool:
        """The server needs no account before its first turn."""
        return self._transport.persistent

    def program(self) -> Program:
        """The native program; AgentFailed with the remedy if it is not there. Touches the disk."""
        return find_program(
            self._settings.binary,
            setting="providers.opencode.binary",
            remedy=REMEDY,
            follow=native_program,
            places=project_folders(),
        )

    async def version(self) -> str:
        """What the program says of itself; AgentFailed if it cannot be asked."""
        return await version_of(await asyncio.to_thread(self.program))

    def models(self) -> Sequence[str]:
        """The CLI's list with the default in front; the default alone before the first process."""
        default = (self._settings.default_model,) if self._settings.default_model else ()
        return tuple(dict.fromkeys((*default, *self._models)))

    async def open(self, turn: AgentTurn) -> Session:
        self._asked[turn.model] = None
        return await self._transport.open(
            lambda: self._server(turn),
            lambda: Execution(self._launch, lender=self._lender, clock=self._house.clock),
        )

    async def _server(self, turn: AgentTurn) -> Server:
        program = await asyncio.to_thread(self.program)
        home = await self._home(turn)
        doors, password = self._house.jails.open_doors(), secrets.token_urlsafe(32)
        models = self._told(turn)
        way = Way(
            endpoint=doors.endpoint(),
            token=doors.token,
            models=models,
            instructions=(str(turn.folder / AGENTS_FILE),),
        )
        env = environment(config_of(way), password)
        jail = await self._start(turn, program, home, doors, arguments=serve_arguments(), env=env)
        session = Server(
            jail,
            turn,
            models=frozenset(str(Model.of(model)) for model in models),
            password=password,
            program=program.path.name,
            lender=self._lender,
            clock=self._house.clock,
        )
        try:
            await session.start()
        except BaseException:
            await to_the_end(session.close())
            raise
        self._list(session)
        return session

    async def _launch(self, turn: AgentTurn, session_id: str | None) -> Jail:
        program = await asyncio.to_thread(self.program)
        home = await self._home(turn)
        await self._write(home, INSTRUCTIONS_FILE, turn.instructions)
        told = self._house.jails.inner_home(home) / INSTRUCTIONS_FILE
        doors = self._house.jails.open_doors()
        way = Way(
            endpoint=doors.endpoint(),
            token=doors.token,
            models=self._told(turn),
            instructions=(str(turn.folder / AGENTS_FILE), str(told)),
            compacts=False,
        )
        arguments = run_arguments(str(Model.of(turn.model)), session_id)
        env = environment(config_of(way))
        return await self._start(turn, program, home, doors, arguments=arguments, env=env)

    def _told(self, turn: AgentTurn) -> tuple[str, ...]:
        """The turn's model first, then all that were asked for before: none needs a new process."""
        default = (self._settings.default_model,) if self._settings.default_model else ()
        return tuple(dict.fromkeys((turn.model, *default, *self._asked)))

    async def _home(self, turn: AgentTurn) -> Path:
        return await asyncio.to_thread(self._house.homes.ensure, turn.workspace_id, NAME)

    async def _write(self, home: Path, name: str, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            await asyncio.to_thread(self._house.homes.write, home, name, data)
        except OSError as error:
            raise AgentFailed(f"{home} cannot be prepared: {error}; remove it") from error

    async def _start(
        self,
        turn: AgentTurn,
        program: Program,
        home: Path,
        doors: Doors,
        *,
        arguments: tuple[str, ...],
        env: Mapping[str, str],
    ) -> Jail:
        spec = JailSpec(
            jail_id=self._house.new_id("jail"),
            workspace_id=turn.workspace_id,
            runtime=NAME,
            argv=(str(program.path), *arguments),
            env=env,
            workspace=turn.folder,
            home=home,
            read_only_workspace=turn.read_only,
            program_dirs=program.folders,
            allow_hosts=self._settings.allow_hosts,
            limits=self._house.limits,
        )
        return await self._house.jails.start(spec, doors)

    def _list(self, session: Server) -> None:
        task = asyncio.create_task(self._listed(session), name="models of opencode")
        self._listing.add(task)
        task.add_done_callback(self._listing.discard)

    async def _listed(self, session: Server) -> None:
        with contextlib.suppress(Refused, Unreachable, KeyError, TypeError):
            self._models = tuple(dict.fromkeys((*self._models, *await session.models())))
