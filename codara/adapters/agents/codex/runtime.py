"""Starts codex in a home."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.codex.appserver import AppServer
from codara.adapters.agents.codex.config import (
    AGENTS_FILE,
    CONFIG_FILE,
    DECIDES,
    DEFAULT_BASE_URL,
    HOME_AGENTS_FILE,
    KEEPS,
    LOGIN_BASE_URL,
    MODELS_ARGUMENTS,
    PROMPT_BOUND,
    TESTED,
    VARIABLES_FILE,
    appserver_arguments,
    config_toml,
    environment,
    exec_arguments,
    native_program,
    offered,
)
from codara.adapters.agents.codex.execution import CodexExecution
from codara.adapters.agents.codex.forgetting import Forgotten, clear
from codara.adapters.agents.codex.rollouts import Look, Noted, noted
from codara.adapters.agents.codex.talking import Catalogue, talking_only
from codara.adapters.agents.codex.told import ToldInstructions
from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.home.copying import copied_by
from codara.adapters.agents.home.keeping import AgentKeeper
from codara.adapters.agents.home.pictures import files_of, places_of
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.launch import Launch
from codara.adapters.agents.runtime import CliRuntime, Make
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.visits import visiting
from codara.adapters.egress.doors import Doors
from codara.application.ports.agents import EFFORTS, AgentTurn
from codara.config.providers import Provider

Talking = Callable[[Path, Launch], Launch]
"""Makes a launch one without tools, for a home as the agent sees it."""
Recall = Callable[[], Awaitable[dict[str, Any]]]
Remember = Callable[[dict[str, Any]], Awaitable[None]]


class CodexRuntime(AgentKeeper, CliRuntime):
    """Codex: its app-server, else `codex exec`.

    It never knows of a login: its requests are the same either way, so one process serves both.
    """

    name = "codex"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    default_login_base_url = LOGIN_BASE_URL
    first_words = "initialize of app-server"
    bound_of_staying = bound_of_passing = PROMPT_BOUND
    efforts = EFFORTS
    decides = DECIDES
    keeps = KEEPS
    reads = ("AGENTS.md", "AGENTS.override.md", ".codex/config.toml", ".codex/hooks.json")
    native = staticmethod(native_program)

    def __init__(self, settings: Provider, house: RuntimeContext) -> None:
        super().__init__(settings, house)
        self._catalogue = Catalogue(self._models_said)

    def _clear(self, home: Path, backend_ids: frozenset[str]) -> None:
        clear(home, backend_ids)

    async def _staying(self, turn: AgentTurn) -> AppServer:
        talking = await self._talking(turn)

        def plan(inside: Path, doors: Doors) -> Launch:
            launch = _launch(turn.folder, inside, doors, appserver_arguments())
            return talking(inside, launch)

        session = AppServer(
            await self._launch(turn, plan),
            turn,
            told=self._told(turn),
            forgotten=self._forgotten(turn.workspace_id),
            look=self._look(turn.workspace_id),
            lender=self._lender,
            clock=self._house.clock,
        )
        await self._started(session, session.start())
        return session

    def _passing(self, turn: AgentTurn) -> AgentSession:
        look = self._look(turn.workspace_id)
        copy = partial(copied_by, self._staying, self._house.clock)
        return CodexExecution(
            self._run,
            look,
            copy,
            self._around(turn),
            told=self._told(turn),
            forgotten=self._forgotten(turn.workspace_id),
        )

    def _told(self, turn: AgentTurn) -> ToldInstructions:
        return ToldInstructions(*self._notes(turn.workspace_id, f"{self.name}-told"))

    def _forgotten(self, workspace_id: str) -> Forgotten:
        return Forgotten(*self._notes(workspace_id, f"{self.name}-forgotten"))

    def _look(self, workspace_id: str) -> Look:
        """Looks up what codex wrote down of a thread in its home."""
        home = self._house.homes.place(workspace_id, self.name)

        async def look(thread_id: str) -> Noted | None:
            return await asyncio.to_thread(noted, home, thread_id)

        return look

    async def _listed(self, visit: AgentTurn) -> Mapping[str, str]:
        return offered(await self._said(visit, _asking_for_models))

    async def _models_said(self) -> str:
        """What codex says of its models in a home that no agent has written to."""
        async with visiting(self._house, self.name, None, aim="models") as visit:
            return await self._said(visit, _asking_for_models)

    async def _talking(self, turn: AgentTurn) -> Talking:
        """What becomes of a launch for a turn that may only talk."""
        if not turn.toolless:
            return lambda _, launch: launch
        catalogue = await self._catalogue.of(await asyncio.to_thread(self.program))
        return partial(talking_only, catalogue)

    def _notes(self, workspace_id: str, name: str) -> tuple[Recall, Remember]:
        """What is kept beside the home under a name, and how it is kept."""
        homes = self._house.homes

        async def recall() -> dict[str, Any]:
            return await asyncio.to_thread(homes.recall, workspace_id, name)

        async def remember(notes: dict[str, Any]) -> None:
            await asyncio.to_thread(homes.remember, workspace_id, name, notes)

        return recall, remember

    async def _run(self, turn: AgentTurn, thread_id: str | None) -> Launched:
        talking = await self._talking(turn)

        def plan(inside: Path, doors: Doors) -> Launch:
            arguments = exec_arguments(
                turn.model, thread_id, places_of(turn.images, inside), effort=turn.effort
            )
            launch = _launch(turn.folder, inside, doors, arguments, turn.instructions)
            shown = {**launch.files, **files_of(turn.images, inside)}
            return talking(inside, attrs.evolve(launch, files=shown))

        return await self._launch(turn, plan)


def _asking_for_models(inside: Path, doors: Doors) -> Launch:
    env = environment(inside, doors.token)
    files = {CONFIG_FILE: config_toml(doors.endpoint())}
    return Launch(arguments=MODELS_ARGUMENTS, env=env, files=files)


def _launch(
    folder: Path, inside: Path, doors: Doors, arguments: tuple[str, ...], instructions: str = ""
) -> Launch:
    config = config_toml(doors.endpoint(), instructions, folder=folder)
    return Launch(
        arguments=arguments,
        env=environment(inside, doors.token),
        files={CONFIG_FILE: config, VARIABLES_FILE: ""},
        links={HOME_AGENTS_FILE: folder / AGENTS_FILE},
    )


make: Make = CodexRuntime
