"""Starts opencode in a home."""

import secrets
from pathlib import Path

from codara.adapters.agents.contract import Session
from codara.adapters.agents.house import House
from codara.adapters.agents.opencode.config import (
    DEFAULT_BASE_URL,
    INSTRUCTIONS_FILE,
    TESTED,
    Model,
    Way,
    config_of,
    environment,
    native_program,
    run_arguments,
    serve_arguments,
)
from codara.adapters.agents.opencode.execution import OpencodeExecution
from codara.adapters.agents.opencode.server import Server
from codara.adapters.agents.runtime import CliRuntime, Launch, Make
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn
from codara.config.providers import Provider

AGENTS_FILE = "AGENTS.md"


class OpencodeRuntime(CliRuntime):
    """OpenCode: its server, else `opencode run`."""

    name = "opencode"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    native = staticmethod(native_program)

    def __init__(self, settings: Provider, house: House) -> None:
        super().__init__(settings, house)
        self._asked: dict[str, None] = {}

    async def open(self, turn: AgentTurn) -> Session:
        self._asked[turn.model] = None
        return await super().open(turn)

    async def _staying(self, turn: AgentTurn) -> Session:
        password, models = secrets.token_urlsafe(32), self._told(turn)

        def plan(_: Path, doors: Doors) -> Launch:
            way = Way(
                endpoint=doors.endpoint(),
                token=doors.token,
                models=models,
                instructions=(str(turn.folder / AGENTS_FILE),),
            )
            return Launch(arguments=serve_arguments(), env=environment(config_of(way), password))

        jail, _ = await self._launch(turn, plan)
        session = Server(
            jail,
            turn,
            models=frozenset(str(Model.of(model)) for model in models),
            password=password,
            lender=self._lender,
            clock=self._house.clock,
        )
        await self._started(session, session.start())
        self._learn(session.models())
        return session

    def _passing(self, turn: AgentTurn) -> Session:
        return OpencodeExecution(self._run, lender=self._lender, clock=self._house.clock)

    async def _run(self, turn: AgentTurn, session_id: str | None) -> Jail:
        def plan(inside: Path, doors: Doors) -> Launch:
            way = Way(
                endpoint=doors.endpoint(),
                token=doors.token,
                models=self._told(turn),
                instructions=(str(turn.folder / AGENTS_FILE), str(inside / INSTRUCTIONS_FILE)),
                compacts=False,
            )
            return Launch(
                arguments=run_arguments(str(Model.of(turn.model)), session_id),
                env=environment(config_of(way)),
                files={INSTRUCTIONS_FILE: turn.instructions},
            )

        jail, _ = await self._launch(turn, plan)
        return jail

    def _told(self, turn: AgentTurn) -> tuple[str, ...]:
        """The turn's model first, then all that were asked for before: none needs a new process."""
        default = (self._settings.default_model,) if self._settings.default_model else ()
        return tuple(dict.fromkeys((turn.model, *default, *self._asked)))


make: Make = OpencodeRuntime
