"""Starts codex in a home: finds the program, writes its configuration, makes the jail."""

import asyncio
import contextlib
from collections.abc import Sequence

from codara.adapters.agents.codex.appserver import AppServer
from codara.adapters.agents.codex.config import (
    CONFIG_FILE,
    REMEDY,
    TESTED,
    CodexSettings,
    appserver_arguments,
    config_toml,
    environment,
    exec_arguments,
    native_program,
)
from codara.adapters.agents.codex.execution import Counts, Execution
from codara.adapters.agents.codex.lender import Lender
from codara.adapters.agents.contract import Session
from codara.adapters.agents.house import House
from codara.adapters.agents.programs import Program, find_program, project_folders, version_of
from codara.adapters.agents.rpc import Gone, RpcError
from codara.adapters.agents.transport import Transport
from codara.adapters.agents.watch import to_the_end
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.application.ports.agents import AgentTurn
from codara.errors import AgentFailed

NAME = "codex"


class CodexRuntime:
    """Codex for every home.

    With `transport` auto the long-lived app-server is tried; where it does not start, a turn
    gets a process of its own.
    """

    name = NAME
    tested = TESTED

    def __init__(self, settings: CodexSettings, house: House) -> None:
        self.max_processes = settings.max_processes
        self.idle_seconds = settings.idle_seconds
        self._settings = settings
        self._house = house
        self._lender = Lender(house.vault, settings.base_url)
        self._transport = Transport(settings.transport)
        self._models: tuple[str, ...] = ()
        self._listing: set[asyncio.Task[None]] = set()

    @property
    def takes_images(self) -> bool:
        """The app-server takes them; a process per turn does not."""
        return self._transport.persistent

    @property
    def opens_early(self) -> bool:
        """The app-server needs no account before its first turn."""
        return self._transport.persistent

    def program(self) -> Program:
        """The native program; AgentFailed with the remedy if it is not there. Touches the disk."""
        return find_program(
            self._settings.binary,
            setting="providers.codex.binary",
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
        return await self._transport.open(
            lambda: self._app_server(turn),
            lambda: self._execution(turn),
        )

    async def _app_server(self, turn: AgentTurn) -> AppServer:
        program = await asyncio.to_thread(self.program)
        jail = await self._start(turn, program, appserver_arguments(), "")
        session = AppServer(
            jail,
            turn,
            program=program.path.name,
            lender=self._lender,
            clock=self._house.clock,
        )
        try:
            await session.start()
        except BaseException:
            await to_the_end(session.close())
            raise
        if not self._models:
            self._list(session)
        return session

    def _execution(self, turn: AgentTurn) -> Execution:
        homes, workspace = self._house.homes, turn.workspace_id

        async def launch(turn: AgentTurn, thread_id: str | None) -> Jail:
            program = await asyncio.to_thread(self.program)
            arguments = exec_arguments(turn.model, thread_id)
            return await self._start(turn, program, arguments, turn.instructions)

        async def recall(_: AgentTurn) -> dict[str, list[int]]:
            return await asyncio.to_thread(homes.recall, workspace, NAME)

        async def remember(_: AgentTurn, counts: dict[str, list[int]]) -> None:
            await asyncio.to_thread(homes.remember, workspace, NAME, counts)

        counts = Counts(recall, remember)
        return Execution(launch, lender=self._lender, counts=counts, clock=self._house.clock)

    async def _start(
        self, turn: AgentTurn, program: Program, arguments: tuple[str, ...], instructions: str
    ) -> Jail:
        jails = self._house.jails
        home = await asyncio.to_thread(self._house.homes.ensure, turn.workspace_id, NAME)
        doors = jails.open_doors()
        config = config_toml(doors.endpoint(), instructions).encode()
        try:
            await asyncio.to_thread(self._house.homes.write, home, CONFIG_FILE, config)
        except BaseException as error:
            doors.close()
            if isinstance(error, OSError):
                raise AgentFailed(f"{home} cannot be prepared: {error}; remove it") from error
            raise
        spec = JailSpec(
            jail_id=self._house.new_id("jail"),
            workspace_id=turn.workspace_id,
            runtime=NAME,
            argv=(str(program.path), *arguments),
            env=environment(jails.inner_home(home), doors.token),
            workspace=turn.folder,
            home=home,
            read_only_workspace=turn.read_only,
            program_dirs=program.folders,
            allow_hosts=self._settings.allow_hosts,
            limits=self._house.limits,
        )
        return await jails.start(spec, doors)

    def _list(self, session: AppServer) -> None:
        task = asyncio.create_task(self._listed(session), name="models of codex")
        self._listing.add(task)
        task.add_done_callback(self._listing.discard)

    async def _listed(self, session: AppServer) -> None:
        with contextlib.suppress(RpcError, Gone, KeyError):
            self._models = tuple(await session.models())
