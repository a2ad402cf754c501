"""Starts claude in a home."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from codara.adapters.agents.claude.config import (
    ALIASES,
    DEFAULT_BASE_URL,
    INSTRUCTIONS_FILE,
    NO_STATE,
    STATE_FILE,
    TESTED,
    arguments,
    closed_arguments,
    environment,
    native_program,
)
from codara.adapters.agents.claude.execution import ClaudeExecution
from codara.adapters.agents.claude.session import Conversation, LostThread
from codara.adapters.agents.contract import Session
from codara.adapters.agents.house import House
from codara.adapters.agents.programs import Program
from codara.adapters.agents.runtime import CliRuntime, Launch, Make
from codara.adapters.jail.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn
from codara.config.providers import Provider

_NO_MODEL = "default"
"""What claude lists for its own choice; a client says it by naming no model."""


class ClaudeRuntime(CliRuntime):
    """Claude Code: a process that stays in one thread, else one per turn."""

    name = "claude"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    default_login_base_url = DEFAULT_BASE_URL
    native = staticmethod(native_program)

    def __init__(self, settings: Provider, house: House) -> None:
        super().__init__(settings, house)
        self._models = ALIASES

    async def _staying(self, turn: AgentTurn) -> Session:
        if turn.backend_id is not None:
            try:
                return await self._conversation(turn, turn.backend_id)
            except LostThread:
                pass
        return await self._conversation(turn, None)

    def _passing(self, turn: AgentTurn) -> Session:
        return ClaudeExecution(self._run, lender=self._lender, clock=self._house.clock)

    async def _conversation(self, turn: AgentTurn, known: str | None) -> Conversation:
        thread_id = known or str(uuid4())
        jail, program = await self._start(turn, thread_id, resume=known is not None, stays=True)
        session = Conversation(
            jail,
            turn,
            thread_id,
            program=program.path.name,
            lender=self._lender,
            clock=self._house.clock,
        )
        self._list(await self._started(session, session.start()), turn.model)
        return session

    def _list(self, listed: Sequence[str], asked: str) -> None:
        """claude lists what it was started with, too, whether or not there is such a model."""
        known = (*ALIASES, *self._models)
        names = (name for name in listed if name != _NO_MODEL)
        self._models = tuple(name for name in names if name != asked or name in known) or ALIASES

    async def _run(self, turn: AgentTurn, known: str | None) -> tuple[Jail, str]:
        thread_id = known or str(uuid4())
        jail, _ = await self._start(turn, thread_id, resume=known is not None, stays=False)
        return jail, thread_id

    async def _start(
        self, turn: AgentTurn, thread_id: str, *, resume: bool, stays: bool
    ) -> tuple[Jail, Program]:
        """Instructions reach claude in a file: a command line is seen by the whole host."""
        told_more = {INSTRUCTIONS_FILE: turn.instructions} if turn.instructions else {}

        def plan(inside: Path, doors: Doors) -> Launch:
            told = arguments(
                model=turn.model,
                thread_id=thread_id,
                resume=resume,
                instructions=inside / INSTRUCTIONS_FILE if told_more else None,
                stays=stays,
                closed=closed_arguments(doors.endpoint(), turn.folder),
            )
            env = environment(inside, doors.endpoint(), doors.token, on_login=turn.on_login)
            return Launch(arguments=told, env=env, files={STATE_FILE: NO_STATE, **told_more})

        return await self._launch(turn, plan)


make: Make = ClaudeRuntime
