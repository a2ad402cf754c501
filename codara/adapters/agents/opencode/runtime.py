"""Starts opencode in a home."""

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.home.copying import copied_by
from codara.adapters.agents.home.keeping import AgentKeeper
from codara.adapters.agents.home.pictures import files_of, places_of
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.launch import Launch
from codara.adapters.agents.obstacles import CAUSE
from codara.adapters.agents.opencode.config import (
    BEGINS_IN,
    DECIDES,
    DEFAULT_BASE_URL,
    INSTRUCTIONS_FILE,
    KEEPS,
    MODELS_ARGUMENTS,
    SEEN_AT,
    TESTED,
    ModelName,
    Way,
    config_of,
    environment,
    native_program,
    run_arguments,
    serve_arguments,
)
from codara.adapters.agents.opencode.execution import OpencodeExecution
from codara.adapters.agents.opencode.names import Names
from codara.adapters.agents.opencode.plugins import plugins_of
from codara.adapters.agents.opencode.server import OpenCodeServer
from codara.adapters.agents.runtime import CliRuntime, Make
from codara.adapters.agents.session.launched import Launched
from codara.adapters.egress.doors import Doors
from codara.application.ports.agents import EFFORTS, AgentTurn
from codara.config.providers import Provider
from codara.errors import AgentFailed

AGENTS_FILE = "AGENTS.md"


class OpencodeRuntime(AgentKeeper, CliRuntime):
    """OpenCode: its server, else `opencode run`."""

    name = "opencode"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    first_words = "events of serve"
    efforts = EFFORTS
    decides = DECIDES
    keeps = KEEPS
    reads = ("AGENTS.md", "CLAUDE.md", ".claude/skills/*/SKILL.md")
    native = staticmethod(native_program)

    def __init__(self, settings: Provider, house: RuntimeContext) -> None:
        super().__init__(settings, house)
        self._used = Names()
        self._completed = Names()

    def models(self) -> Sequence[str]:
        """Lists its own models, and others with which a turn completed; asking alone adds none."""
        return tuple(dict.fromkeys((*super().models(), *self._completed)))

    def _suspects(self, workspace: int) -> str | None:
        return plugins_of(workspace)

    async def _staying(self, turn: AgentTurn) -> OpenCodeServer:
        password, models = secrets.token_urlsafe(32), self._told(turn)
        folder = self._seen(turn)

        def plan(_: Path, doors: Doors) -> Launch:
            way = Way(
                endpoint=doors.endpoint(),
                token=doors.token,
                models=models,
                instructions=(str(folder / AGENTS_FILE),),
            )
            return Launch(
                arguments=serve_arguments(),
                env=environment(config_of(way), password),
                begins_in=BEGINS_IN,
                seen_at=folder,
            )

        session = OpenCodeServer(
            await self._launch(turn, plan),
            turn,
            models=frozenset(str(ModelName.of(model)) for model in models),
            completed=self._completed.use,
            password=password,
            folder=folder,
            lender=self._lender,
            clock=self._house.clock,
        )
        await self._started(session, session.start())
        self._used.use(turn.model)
        return session

    async def _listed(self, visit: AgentTurn) -> Mapping[str, str]:
        def plan(_: Path, doors: Doors) -> Launch:
            models = self._default or (visit.model,)
            way = Way(endpoint=doors.endpoint(), token=doors.token, models=models)
            env = environment(config_of(way))
            return Launch(arguments=MODELS_ARGUMENTS, env=env, begins_in=BEGINS_IN)

        lines = (await self._said(visit, plan)).splitlines()
        return dict.fromkeys((line for line in lines if "/" in line and " " not in line), "")

    def _passing(self, turn: AgentTurn) -> AgentSession:
        copy = partial(copied_by, self._staying, self._house.clock)
        return OpencodeExecution(self._run, copy, self._around(turn), self._completed.use)

    async def _run(self, turn: AgentTurn, session_id: str | None) -> Launched:
        folder = self._seen(turn)

        def plan(inside: Path, doors: Doors) -> Launch:
            way = Way(
                endpoint=doors.endpoint(),
                token=doors.token,
                models=(turn.model,),
                instructions=(str(folder / AGENTS_FILE), str(inside / INSTRUCTIONS_FILE)),
                compacts=False,
            )
            shown = places_of(turn.images, inside)
            return Launch(
                arguments=run_arguments(
                    str(ModelName.of(turn.model)),
                    session_id,
                    folder,
                    shown,
                    toolless=turn.toolless,
                    effort=turn.effort,
                ),
                env=environment(config_of(way)),
                begins_in=BEGINS_IN,
                seen_at=folder,
                files={INSTRUCTIONS_FILE: turn.instructions, **files_of(turn.images, inside)},
            )

        return await self._launch(turn, plan)

    def _seen(self, turn: AgentTurn) -> Path:
        """Returns where it sees the workspace; AgentFailed where it could not work there."""
        if "%" not in str(turn.folder):
            return turn.folder
        if not self._house.jails.jailed:
            raise AgentFailed(
                "opencode cannot work in a folder with a % in its path, unless it is jailed. Give "
                "the workspace a plain name, or move `workspace.root`.",
                cause=CAUSE,
                retry_safe=False,
            )
        return SEEN_AT

    def _told(self, turn: AgentTurn) -> tuple[str, ...]:
        """The turn's model first, then those used lately: none of them needs a new process."""
        return tuple(dict.fromkeys((turn.model, *self._default, *self._used)))


make: Make = OpencodeRuntime
