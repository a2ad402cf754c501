"""Starts codex in a home."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from codara.adapters.agents.codex.appserver import AppServer
from codara.adapters.agents.codex.config import (
    CONFIG_FILE,
    DEFAULT_BASE_URL,
    LOGIN_BASE_URL,
    TESTED,
    VARIABLES_FILE,
    appserver_arguments,
    config_toml,
    environment,
    exec_arguments,
    native_program,
)
from codara.adapters.agents.codex.execution import CodexExecution, Counts, Told
from codara.adapters.agents.contract import Session
from codara.adapters.agents.programs import Program
from codara.adapters.agents.runtime import CliRuntime, Launch, Make
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn

Recall = Callable[[], Awaitable[dict[str, Any]]]
Remember = Callable[[dict[str, Any]], Awaitable[None]]


class CodexRuntime(CliRuntime):
    """Codex: its app-server, else `codex exec`.

    It never knows of a login: its requests are the same either way, so one process serves both.
    """

    name = "codex"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    default_login_base_url = LOGIN_BASE_URL
    native = staticmethod(native_program)

    async def _staying(self, turn: AgentTurn) -> Session:
        jail, program = await self._start(turn, appserver_arguments(), instructions="")
        session = AppServer(
            jail,
            turn,
            program=program.path.name,
            lender=self._lender,
            clock=self._house.clock,
        )
        await self._started(session, session.start())
        if not self._models:
            self._learn(session.models())
        return session

    def _passing(self, turn: AgentTurn) -> Session:
        counts = Counts(*self._notes(turn.workspace_id, self.name))
        told = Told(*self._notes(turn.workspace_id, f"{self.name}-told"))
        return CodexExecution(self._run, counts, told, lender=self._lender, clock=self._house.clock)

    def _notes(self, workspace_id: str, name: str) -> tuple[Recall, Remember]:
        """What is kept beside the home under a name, and how it is kept."""
        homes = self._house.homes

        async def recall() -> dict[str, Any]:
            return await asyncio.to_thread(homes.recall, workspace_id, name)

        async def remember(notes: dict[str, Any]) -> None:
            await asyncio.to_thread(homes.remember, workspace_id, name, notes)

        return recall, remember

    async def _run(self, turn: AgentTurn, thread_id: str | None) -> Jail:
        arguments = exec_arguments(turn.model, thread_id)
        jail, _ = await self._start(turn, arguments, instructions=turn.instructions)
        return jail

    async def _start(
        self, turn: AgentTurn, arguments: tuple[str, ...], *, instructions: str
    ) -> tuple[Jail, Program]:
        def plan(inside: Path, doors: Doors) -> Launch:
            return Launch(
                arguments=arguments,
                env=environment(inside, doors.token),
                files={
                    CONFIG_FILE: config_toml(doors.endpoint(), instructions),
                    VARIABLES_FILE: "",
                },
            )

        return await self._launch(turn, plan)


make: Make = CodexRuntime
