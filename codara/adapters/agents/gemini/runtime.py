"""Starts gemini in a home: finds the program, writes its settings, makes the jail."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import attrs

from codara.adapters.agents.contract import Session
from codara.adapters.agents.gemini import program
from codara.adapters.agents.gemini.acp import Acp, Home
from codara.adapters.agents.gemini.chats import make_loadable
from codara.adapters.agents.gemini.config import (
    INSTRUCTIONS_FILE,
    SETTINGS_FILE,
    TESTED,
    GeminiSettings,
    acp_arguments,
    environment,
    settings_json,
    turn_arguments,
)
from codara.adapters.agents.gemini.execution import Execution
from codara.adapters.agents.gemini.lender import Lender
from codara.adapters.agents.gemini.program import Command, find_gemini
from codara.adapters.agents.house import House
from codara.adapters.agents.programs import Program
from codara.adapters.agents.transport import Transport
from codara.adapters.agents.watch import to_the_end
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.application.ports.agents import AgentTurn
from codara.errors import AgentFailed

NAME = "gemini"


class GeminiRuntime:
    """Gemini for every home.

    With `transport` auto the long-lived ACP process is tried; where it does not start, a turn
    gets a process of its own.
    """

    name = NAME
    tested = TESTED

    def __init__(self, settings: GeminiSettings, house: House) -> None:
        self.max_processes = settings.max_processes
        self.idle_seconds = settings.idle_seconds
        self._settings = settings
        self._house = house
        self._lender = Lender(house.vault, settings.base_url)
        self._transport = Transport(settings.transport)
        self._models: tuple[str, ...] = ()

    @property
    def takes_images(self) -> bool:
        """The ACP process takes them; a process per turn does not."""
        return self._transport.persistent

    @property
    def opens_early(self) -> bool:
        """The ACP process needs no account before its first turn."""
        return self._transport.persistent

    def program(self) -> Program:
        """The program; AgentFailed with the remedy if it is not there. Touches the disk."""
        command = find_gemini(self._settings.binary)
        return attrs.evolve(command.program, before=command.words[:-1], folders=command.folders)

    async def version(self) -> str:
        """What its package or the program says; AgentFailed if neither can be had."""
        command = await asyncio.to_thread(find_gemini, self._settings.binary)
        return await program.version(command)

    def models(self) -> Sequence[str]:
        """The CLI's list with the default in front; the default alone before the first session."""
        default = (self._settings.default_model,) if self._settings.default_model else ()
        return tuple(dict.fromkeys((*default, *self._models)))

    async def open(self, turn: AgentTurn) -> Session:
        return await self._transport.open(
            lambda: self._long_lived(turn),
            lambda: Execution(self._launch, lender=self._lender, clock=self._house.clock),
        )

    async def _long_lived(self, turn: AgentTurn) -> Acp:
        jail = await self._start(turn, acp_arguments(turn.model))
        session = Acp(
            jail, turn, home=self._home(turn), lender=self._lender, clock=self._house.clock
        )
        try:
            await session.start()
        except BaseException:
            await to_the_end(session.close())
            raise
        return session

    async def _launch(self, turn: AgentTurn, session_id: str | None) -> Jail:
        return await self._start(turn, turn_arguments(turn.model, session_id))

    def _home(self, turn: AgentTurn) -> Home:
        homes, workspace = self._house.homes, turn.workspace_id

        async def instruct(instructions: str) -> None:
            home = await asyncio.to_thread(homes.ensure, workspace, NAME)
            await self._write(home, INSTRUCTIONS_FILE, instructions)

        async def loadable(session_id: str) -> bool:
            home = await asyncio.to_thread(homes.ensure, workspace, NAME)
            return await asyncio.to_thread(make_loadable, home, session_id)

        return Home(instruct=instruct, make_loadable=loadable, listed=self._listed)

    def _listed(self, models: Sequence[str]) -> None:
        self._models = tuple(models)

    async def _start(self, turn: AgentTurn, arguments: tuple[str, ...]) -> Jail:
        jails = self._house.jails
        command: Command = await asyncio.to_thread(find_gemini, self._settings.binary)
        home = await asyncio.to_thread(self._house.homes.ensure, turn.workspace_id, NAME)
        await self._write(home, SETTINGS_FILE, settings_json())
        await self._write(home, INSTRUCTIONS_FILE, turn.instructions)
        doors = jails.open_doors()
        spec = JailSpec(
            jail_id=self._house.new_id("jail"),
            workspace_id=turn.workspace_id,
            runtime=NAME,
            argv=(*command.words, *arguments),
            env=environment(jails.inner_home(home), doors.endpoint(), doors.token),
            workspace=turn.folder,
            home=home,
            read_only_workspace=turn.read_only,
            program_dirs=command.folders,
            allow_hosts=self._settings.allow_hosts,
            limits=self._house.limits,
        )
        return await jails.start(spec, doors)

    async def _write(self, home: Path, relative: str, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            await asyncio.to_thread(self._house.homes.write, home, relative, data)
        except OSError as error:
            raise AgentFailed(f"{home} cannot be prepared: {error}; remove it") from error
