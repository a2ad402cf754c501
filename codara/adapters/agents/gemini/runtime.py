"""Starts gemini in a home."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import attrs

from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.gemini import program
from codara.adapters.agents.gemini.acp import Acp, Home
from codara.adapters.agents.gemini.chats import make_loadable
from codara.adapters.agents.gemini.config import (
    DECIDES,
    DEFAULT_BASE_URL,
    INPUT_BOUND,
    INSTRUCTIONS_FILE,
    KEEPS,
    LOGIN_BASE_URL,
    SETTINGS_FILE,
    TESTED,
    acp_arguments,
    environment,
    settings_json,
    turn_arguments,
)
from codara.adapters.agents.gemini.copies import Copies, copied, mark_of
from codara.adapters.agents.gemini.execution import GeminiExecution
from codara.adapters.agents.gemini.forgetting import forget
from codara.adapters.agents.home.keeping import FileKeeper
from codara.adapters.agents.home.pictures import FOLDER, files_of
from codara.adapters.agents.home.programs import Program
from codara.adapters.agents.launch import Launch, unprepared
from codara.adapters.agents.runtime import CliRuntime, Make
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.watch import to_the_end
from codara.adapters.egress.doors import Doors
from codara.application.ports.agents import AgentTurn, Fork


class GeminiRuntime(FileKeeper, CliRuntime):
    """Gemini: its ACP process, else one per turn."""

    name = "gemini"
    tested = TESTED
    default_base_url = DEFAULT_BASE_URL
    default_login_base_url = LOGIN_BASE_URL
    first_words = "initialize of --acp"
    bound_of_passing = INPUT_BOUND
    decides = DECIDES
    keeps = KEEPS
    reads = ("GEMINI.md", ".geminiignore", ".gemini/skills/*/SKILL.md")
    native = staticmethod(program.itself)

    def program(self) -> Program:
        """Returns the script and its node; AgentFailed with the remedy if either is not there."""
        return program.find_gemini(self._settings.binary)

    def opens_early(self, turn: AgentTurn) -> bool:
        """Not for a login: its process keeps to one account, and which one is not known yet."""
        return super().opens_early(turn) and not turn.on_login

    async def _staying(self, turn: AgentTurn) -> Acp:
        def plan(inside: Path, doors: Doors) -> Launch:
            return _launch(turn, inside, doors, acp_arguments(turn.model))

        session = Acp(
            await self._launch(turn, plan),
            turn,
            home=self._deeds(turn),
            lender=self._lender,
            clock=self._house.clock,
        )
        await self._started(session, session.start())
        return session

    def _remove(self, home: Path, backend_ids: Collection[str]) -> None:
        forget(home, backend_ids)

    async def _listed(self, visit: AgentTurn) -> Mapping[str, str]:
        """Only its agent protocol tells them, with a session; no model is asked for that."""
        session = await self._staying(visit)
        try:
            return await session.models(visit)
        finally:
            await to_the_end(session.close())

    def _passing(self, turn: AgentTurn) -> AgentSession:
        home = self._house.homes.place(turn.workspace_id, self.name)
        inside = self._house.jails.inner_home(home)
        copies = self._copies(turn.workspace_id)
        return GeminiExecution(self._run, inside, copies, self._around(turn))

    async def _run(self, turn: AgentTurn, session_id: str | None) -> Launched:
        def plan(inside: Path, doors: Doors) -> Launch:
            arguments = turn_arguments(turn.model, session_id)
            readable = (inside / FOLDER,) if turn.images else ()
            launch = _launch(turn, inside, doors, arguments, readable)
            return attrs.evolve(launch, files={**launch.files, **files_of(turn.images, inside)})

        return await self._launch(turn, plan)

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

        return Home(
            instruct=instruct, make_loadable=loadable, copies=self._copies(turn.workspace_id)
        )

    def _copies(self, workspace_id: str) -> Copies:
        home = self._house.homes.place(workspace_id, self.name)

        async def make(fork: Fork) -> str | None:
            copy_id = str(uuid4())
            made = await asyncio.to_thread(copied, home, fork, copy_id)
            if made is None:
                return None
            await self._write(home, made.path, made.data)
            return copy_id

        async def mark(session_id: str) -> str | None:
            return await asyncio.to_thread(mark_of, home, session_id)

        return Copies(make=make, mark=mark)


def _launch(
    turn: AgentTurn,
    inside: Path,
    doors: Doors,
    arguments: tuple[str, ...],
    readable: Sequence[Path] = (),
) -> Launch:
    settings = settings_json(on_login=turn.on_login, readable=readable, toolless=turn.toolless)
    return Launch(
        arguments=arguments,
        env=environment(inside, doors.endpoint(), doors.token, on_login=turn.on_login),
        files={SETTINGS_FILE: settings, INSTRUCTIONS_FILE: turn.instructions},
    )


make: Make = GeminiRuntime
