"""Starts gemini in a home."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from codara.adapters.agents.contract import Session
from codara.adapters.agents.gemini import program
from codara.adapters.agents.gemini.acp import Acp, Home
from codara.adapters.agents.gemini.chats import make_loadable
from codara.adapters.agents.gemini.config import (
    DEFAULT_BASE_URL,
    INSTRUCTIONS_FILE,
    LOGIN_BASE_URL,
    SETTINGS_FILE,
    TESTED,
    acp_arguments,
    environment,
    settings_json,
    turn_arguments,
)
from codara.adapters.agents.gemini.execution import GeminiExecution
from codara.adapters.agents.programs import Program
from codara.adapters.agents.runtime import CliRuntime, Launch, Make, unprepared
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn


class GeminiRuntime(CliRuntime):
    """Gemini: its ACP process, else one per turn."""

    name = "gemini"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    default_login_base_url = LOGIN_BASE_URL
    native = staticmethod(program.itself)

    def program(self) -> Program:
        """The script and its node; AgentFailed with the remedy if either is not there."""
        return program.find_gemini(self._settings.binary)

    def opens_early(self, turn: AgentTurn) -> bool:
        """Not for a login: its process keeps to one account, and which one is not known yet."""
        return super().opens_early(turn) and not turn.on_login

    async def version(self) -> str:
        """What its package or the program says; AgentFailed if neither can be had."""
        return await program.version(await asyncio.to_thread(self.program))

    async def _staying(self, turn: AgentTurn) -> Session:
        jail = await self._start(turn, acp_arguments(turn.model))
        session = Acp(
            jail, turn, home=self._deeds(turn), lender=self._lender, clock=self._house.clock
        )
        await self._started(session, session.start())
        return session

    def _passing(self, turn: AgentTurn) -> Session:
        return GeminiExecution(self._run, lender=self._lender, clock=self._house.clock)

    async def _run(self, turn: AgentTurn, session_id: str | None) -> Jail:
        return await self._start(turn, turn_arguments(turn.model, session_id))

    def _deeds(self, turn: AgentTurn) -> Home:
        workspace = turn.workspace_id

        async def instruct(instructions: str) -> None:
            home = await self._home(workspace)
            await self._write(home, INSTRUCTIONS_FILE, instructions)

        async def loadable(session_id: str) -> bool:
            home = await self._home(workspace)
            try:
                return await asyncio.to_thread(make_loadable, home, session_id)
            except OSError as error:
                raise unprepared(home, error) from error

        return Home(instruct=instruct, make_loadable=loadable, listed=self._listed)

    def _listed(self, models: Sequence[str]) -> None:
        self._models = tuple(models)

    async def _start(self, turn: AgentTurn, arguments: tuple[str, ...]) -> Jail:
        def plan(inside: Path, doors: Doors) -> Launch:
            settings = settings_json(on_login=turn.on_login)
            return Launch(
                arguments=arguments,
                env=environment(inside, doors.endpoint(), doors.token, on_login=turn.on_login),
                files={SETTINGS_FILE: settings, INSTRUCTIONS_FILE: turn.instructions},
            )

        jail, _ = await self._launch(turn, plan)
        return jail


make: Make = GeminiRuntime
