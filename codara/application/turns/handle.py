"""A listener of a turn, as its client holds it."""

from collections.abc import AsyncIterator

from codara.application.ports.frames import Frame
from codara.application.turns.commands import Started, TurnResult
from codara.application.turns.run import Run


class TurnHandle:
    """A listener of a turn: ``async with handle`` for as long as somebody wants the answer."""

    replayed = False

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def turn_id(self) -> str:
        return self._run.asked.turn_id

    @property
    def session_id(self) -> str:
        return self._run.asked.session_id

    @property
    def workspace_id(self) -> str:
        return self._run.asked.workspace_id

    async def __aenter__(self) -> "TurnHandle":
        self._run.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.leave()

    def abandon(self) -> None:
        """Nobody came to listen."""
        self._run.join()
        self._run.leave()

    async def started(self) -> Started:
        """Returns when the turn runs; raises what it was refused with."""
        return await self._run.started()

    def frames(self) -> AsyncIterator[Frame]:
        """What the agent says and does, from the first frame on; ends with the turn.

        Not what only the end of the turn tells: usage, quota, warnings, the agent's own ids.
        """
        return self._run.broadcast.frames()

    async def result(self) -> TurnResult:
        """Returns the completed turn; raises the error it failed with."""
        return await self._run.ended()
