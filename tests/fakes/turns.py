"""Turns whose frames and ends the test writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import attrs

from codara.application.ports.frames import Frame, TextDelta
from codara.application.turns.commands import RunTurn, Started, TurnResult
from codara.application.turns.waiting import Waiter
from codara.errors import CodaraError, NotFound
from codara.events.base import Cause
from codara.events.session import Usage
from codara.events.workspace import FileChange

RESULT = TurnResult(
    turn_id="trn_1",
    session_id="ses_1",
    client_session_id="default",
    workspace_id="wsp_1",
    workspace="default",
    provider="codex",
    model="gpt-5-codex",
    backend_id="thread-1",
    thread="new",
    forked_from=None,
    aside=False,
    position=42,
    text="Hello world",
    finish_reason="stop",
    files=(
        FileChange(path="b.txt", status="added", added=1),
        FileChange(path="a\\xff.txt", status="modified", path_b64="Yf8udHh0"),
    ),
    diff="--- /dev/null\n+++ b/b.txt\n",
    diff_truncated=False,
    partial=(),
    actions=({"action_id": "atr_1", "type": "patch"},),
    dirty=False,
    jailed=True,
    usage=Usage(input=10, cached=4, output=5, reasoning=2),
    timings={"agent": 12.5},
)


Script = Callable[["ScriptedTurn"], AsyncIterator[Frame]]


@attrs.define
class ScriptedTurn:
    """A turn whose frames, end and refusals the test writes."""

    script: Sequence[Frame] | Script = (TextDelta("Hello "), TextDelta("world"))
    outcome: TurnResult | Exception = RESULT
    refused: CodaraError | None = None
    replayed: bool = False
    hold: bool = False
    turn_id: str = "trn_1"
    session_id: str = "ses_1"
    workspace_id: str = "wsp_1"
    released: asyncio.Event = attrs.field(factory=asyncio.Event)
    waiting: asyncio.Event = attrs.field(factory=asyncio.Event)
    left: asyncio.Event = attrs.field(factory=asyncio.Event)
    left_by: type[BaseException] | None = None

    async def __aenter__(self) -> "ScriptedTurn":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.left_by = kind
        self.left.set()

    async def started(self) -> Started:
        if self.refused is not None:
            raise self.refused
        return Started(position=40, thread="new")

    async def frames(self) -> AsyncIterator[Frame]:
        if callable(self.script):
            async for frame in self.script(self):
                yield frame
        else:
            for frame in self.script:
                yield frame
        await self._held()

    async def result(self) -> TurnResult:
        await self._held()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def _held(self) -> None:
        if self.hold:
            self.waiting.set()
            await self.released.wait()


@attrs.define
class FakeTurns:
    """Hands out one scripted turn and remembers what was asked; cancels turns of `whose`."""

    turn: ScriptedTurn = attrs.field(factory=ScriptedTurn)
    asked: list[RunTurn] = attrs.field(factory=list)
    refused: Exception | None = None
    waiters: list[Waiter] = attrs.field(factory=list)
    whose: dict[str, str] = attrs.field(factory=dict)
    """The user of each task that can be cancelled, by its id."""
    cancelled: list[tuple[str, str]] = attrs.field(factory=list)
    """Which task was cancelled, and who did it."""

    def waiting(self) -> list[Waiter]:
        return self.waiters

    async def submit(self, request: RunTurn) -> ScriptedTurn:
        self.asked.append(request)
        if self.refused is not None:
            raise self.refused
        return self.turn

    async def cancel(self, turn_id: str, user_id: str | None, cause: Cause) -> None:
        if turn_id not in self.whose or user_id not in (None, self.whose[turn_id]):
            raise NotFound(f"There is no task {turn_id}.")
        self.cancelled.append((turn_id, cause.actor))


@attrs.define
class HeldTurns(FakeTurns):
    """Lets every request wait until the test says otherwise."""

    goes_on: asyncio.Event = attrs.field(factory=asyncio.Event)
    came: asyncio.Event = attrs.field(factory=asyncio.Event)
    lost: asyncio.Event = attrs.field(factory=asyncio.Event)
    """A request was cancelled while it waited."""
    finished: bool = False

    async def submit(self, request: RunTurn) -> ScriptedTurn:
        self.came.set()
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.lost.set()
            raise
        self.finished = True
        return await super().submit(request)
