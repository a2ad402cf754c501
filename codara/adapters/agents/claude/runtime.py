"""Starts claude in a home: finds the program, writes its instructions, makes the jail."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from codara.adapters.agents.claude.config import (
    ALIASES,
    INSTRUCTIONS_FILE,
    REMEDY,
    TESTED,
    ClaudeSettings,
    arguments,
    environment,
    native_program,
)
from codara.adapters.agents.claude.execution import Execution
from codara.adapters.agents.claude.lender import Lender
from codara.adapters.agents.claude.session import Conversation, LostThread
from codara.adapters.agents.contract import Session
from codara.adapters.agents.house import House
from codara.adapters.agents.programs import Program, find_program, project_folders, version_of
from codara.adapters.agents.transport import Transport
from codara.adapters.agents.watch import to_the_end
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.application.ports.agents import AgentTurn
from codara.errors import AgentFailed

NAME = "claude"

_NO_MODEL = "default"
"""What claude lists for its own choice; a client says it by naming no model."""


class ClaudeRuntime:
    """Claude Code for every home.

    With `transport` auto a process that stays is tried; once it does not start, every later turn
    gets a process of its own.
    """

    name = NAME
    tested = TESTED

    def __init__(self, settings: ClaudeSettings, house: House) -> None:
        self.max_processes = settings.max_processes
        self.idle_seconds = settings.idle_seconds
        self._settings = settings
        self._house = house
        self._lender = Lender(house.vault, settings.base_url)
        self._transport = Transport(settings.transport)
        self._models: tuple[str, ...] = ALIASES

    @property
    def takes_images(self) -> bool:
        """A process that stays takes them; one per turn does not."""
        return self._transport.persistent

    @property
    def opens_early(self) -> bool:
        """A process that stays needs no account before its first turn."""
        return self._transport.persistent

    def program(self) -> Program:
        """The native program; AgentFailed with the remedy if it is not there. Touches the disk."""
        return find_program(
            self._settings.binary,
            setting="providers.claude.binary",
            remedy=REMEDY,
            follow=native_program,
            places=project_folders(),
        )

    async def version(self) -> str:
        """What the program says of itself; AgentFailed if it cannot be asked."""
        return await version_of(await asyncio.to_thread(self.program))

    def models(self) -> Sequence[str]:
        """The default in front; its aliases until the first process told what it lists."""
        default = (self._settings.default_model,) if self._settings.default_model else ()
        return tuple(dict.fromkeys((*default, *self._models)))

    async def open(self, turn: AgentTurn) -> Session:
        return await self._transport.open(
            lambda: self._known_or_fresh(turn),
            lambda: Execution(self._launch, lender=self._lender, clock=self._house.clock),
        )

    async def _known_or_fresh(self, turn: AgentTurn) -> Conversation:
        if turn.backend_id is not None:
            try:
                return await self._conversation(turn, turn.backend_id)
            except LostThread:
                pass
        return await self._conversation(turn, None)

    async def _conversation(self, turn: AgentTurn, known: str | None) -> Conversation:
        program = await asyncio.to_thread(self.program)
        jail, thread_id = await self._start(turn, program, known, stays=True)
        session = Conversation(
            jail,
            turn,
            thread_id,
            program=program.path.name,
            lender=self._lender,
            clock=self._house.clock,
        )
        try:
            listed = await session.start()
        except BaseException:
            await to_the_end(session.close())
            raise
        self._list(listed, turn.model)
        return session

    def _list(self, listed: Sequence[str], asked: str) -> None:
        """claude lists what it was started with, too, whether or not there is such a model."""
        known = (*ALIASES, *self._models)
        names = (name for name in listed if name != _NO_MODEL)
        self._models = tuple(name for name in names if name != asked or name in known) or ALIASES

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Jail, str]:
        program = await asyncio.to_thread(self.program)
        return await self._start(turn, program, known, stays=False)

    async def _start(
        self, turn: AgentTurn, program: Program, known: str | None, *, stays: bool
    ) -> tuple[Jail, str]:
        jails = self._house.jails
        home = await asyncio.to_thread(self._house.homes.ensure, turn.workspace_id, NAME)
        inside = jails.inner_home(home)
        instructions = await self._instruct(turn, home, inside)
        thread_id = known or str(uuid4())
        told = arguments(
            model=turn.model,
            thread_id=thread_id,
            resume=known is not None,
            instructions=instructions,
            stays=stays,
        )
        doors = jails.open_doors()
        spec = JailSpec(
            jail_id=self._house.new_id("jail"),
            workspace_id=turn.workspace_id,
            runtime=NAME,
            argv=(str(program.path), *told),
            env=environment(inside, doors.endpoint(), doors.token),
            workspace=turn.folder,
            home=home,
            read_only_workspace=turn.read_only,
            program_dirs=program.folders,
            allow_hosts=self._settings.allow_hosts,
            limits=self._house.limits,
        )
        return await jails.start(spec, doors), thread_id

    async def _instruct(self, turn: AgentTurn, home: Path, inside: Path) -> Path | None:
        """Instructions reach claude in a file: a command line is seen by the whole host."""
        if not turn.instructions:
            return None
        text = turn.instructions.encode("utf-8", "replace")
        try:
            await asyncio.to_thread(self._house.homes.write, home, INSTRUCTIONS_FILE, text)
        except OSError as error:
            raise AgentFailed(f"{home} cannot be prepared: {error}; remove it") from error
        return inside / INSTRUCTIONS_FILE
