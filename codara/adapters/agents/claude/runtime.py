"""Starts claude in a home."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from codara.adapters.agents.claude.config import (
    ALIASES,
    DECIDES,
    DEFAULT_BASE_URL,
    EFFORTS,
    INSTRUCTIONS_FILE,
    KEEPS,
    NO_STATE,
    STATE_FILE,
    TESTED,
    arguments,
    closed_arguments,
    environment,
    native_program,
)
from codara.adapters.agents.claude.execution import ClaudeExecution
from codara.adapters.agents.claude.forgetting import forget
from codara.adapters.agents.claude.session import ClaudeSession, LostThread
from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.home.keeping import FileKeeper
from codara.adapters.agents.launch import Launch
from codara.adapters.agents.runtime import CliRuntime, Make
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.listening import fresh
from codara.adapters.agents.session.watch import to_the_end
from codara.adapters.egress.doors import Doors
from codara.application.ports.agents import AgentTurn

_NO_MODEL = "default"
"""What claude lists for its own choice; a client says it by naming no model."""


class ClaudeRuntime(FileKeeper, CliRuntime):
    """Claude Code: a process that stays in one thread, else one per turn."""

    name = "claude"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    default_login_base_url = DEFAULT_BASE_URL
    first_words = "initialize of stream-json"
    efforts = EFFORTS
    decides = DECIDES
    keeps = KEEPS
    reads = ("CLAUDE.md", "CLAUDE.local.md", ".claude/CLAUDE.md")
    native = staticmethod(native_program)

    def models(self) -> Sequence[str]:
        """Its aliases are good whatever it lists, and known before it was ever asked."""
        return tuple(dict.fromkeys((*super().models(), *ALIASES)))

    async def _staying(self, turn: AgentTurn) -> AgentSession:
        if turn.backend_id is not None or turn.fork is not None:
            try:
                return await self._conversation(turn, turn.backend_id)
            except LostThread:
                pass
        return await self._conversation(fresh(turn), None)

    def _passing(self, turn: AgentTurn) -> AgentSession:
        return ClaudeExecution(self._run, self._around(turn))

    async def _conversation(self, turn: AgentTurn, known: str | None) -> ClaudeSession:
        thread_id = known or str(uuid4())
        launched = await self._start(turn, thread_id, resume=known is not None)
        session = ClaudeSession(
            launched,
            turn,
            thread_id,
            lender=self._lender,
            clock=self._house.clock,
        )
        await self._started(session, session.start())
        return session

    def _remove(self, home: Path, backend_ids: Collection[str]) -> None:
        forget(home, backend_ids)

    async def _listed(self, visit: AgentTurn) -> Mapping[str, str]:
        session = await self._conversation(visit, None)
        await to_the_end(session.close())
        return {name: title for name, title in session.listed.items() if name != _NO_MODEL}

    async def _run(self, turn: AgentTurn, known: str | None) -> tuple[Launched, str]:
        thread_id = known or str(uuid4())
        resume = known is not None and turn.fork is None
        return await self._start(turn, thread_id, resume=resume), thread_id

    async def _start(self, turn: AgentTurn, thread_id: str, *, resume: bool) -> Launched:
        """Instructions reach claude in a file: a command line is seen by the whole host."""
        told_more = {INSTRUCTIONS_FILE: turn.instructions} if turn.instructions else {}

        def plan(inside: Path, doors: Doors) -> Launch:
            told = arguments(
                model=turn.model,
                thread_id=thread_id,
                resume=resume,
                fork=turn.fork,
                instructions=inside / INSTRUCTIONS_FILE if told_more else None,
                toolless=turn.toolless,
                effort=turn.effort,
                closed=closed_arguments(doors.endpoint(), turn.folder),
            )
            env = environment(inside, doors.endpoint(), doors.token, on_login=turn.on_login)
            return Launch(arguments=told, env=env, files={STATE_FILE: NO_STATE, **told_more})

        return await self._launch(turn, plan)


make: Make = ClaudeRuntime
