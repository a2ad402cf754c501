"""Starts codex in a home."""

import asyncio
from pathlib import Path

from codara.adapters.agents.codex.appserver import AppServer
from codara.adapters.agents.codex.config import (
    CONFIG_FILE,
    DEFAULT_BASE_URL,
    TESTED,
    appserver_arguments,
    config_toml,
    environment,
    exec_arguments,
    native_program,
)
from codara.adapters.agents.codex.execution import CodexExecution, Counts
from codara.adapters.agents.contract import Session
from codara.adapters.agents.programs import Program
from codara.adapters.agents.runtime import CliRuntime, Launch
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn


class CodexRuntime(CliRuntime):
    """Codex: its app-server, else `codex exec`."""

    name = "codex"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
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
        homes, workspace = self._house.homes, turn.workspace_id

        async def recall() -> dict[str, list[int]]:
            return await asyncio.to_thread(homes.recall, workspace, self.name)

        async def remember(counts: dict[str, list[int]]) -> None:
            await asyncio.to_thread(homes.remember, workspace, self.name, counts)

        return CodexExecution(
            self._run, Counts(recall, remember), lender=self._lender, clock=self._house.clock
        )

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
                files={CONFIG_FILE: config_toml(doors.endpoint(), instructions)},
            )

        return await self._launch(turn, plan)
