"""A gateway's doors without the house behind them: scripted turns, two keys, one operator."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from codara.application.callers import Caller
from codara.application.models import Models
from codara.application.ports.frames import Frame, TextDelta
from codara.application.turns.commands import RunTurn, Started, TurnResult
from codara.application.turns.waiting import Waiter
from codara.errors import CodaraError, InvalidApiKey, UserSuspended
from codara.events.session import Usage
from codara.events.store.follower import FollowerStanding
from codara.events.workspace import FileChange
from codara.http.app import build
from codara.http.server import runner
from codara.http.services import Services

KEY = "uagk_live_good"
SUSPENDED_KEY = "uagk_live_suspended"
OPERATOR_TOKEN = "operator.access.token"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CALLER = Caller(user_id="usr_1", key_id="key_1", max_concurrency=3)
OPERATOR = Caller(user_id="usr_admin", key_id=None, max_concurrency=3, operator_id="op_1")

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
    """Hands out one scripted turn and remembers what was asked."""

    turn: ScriptedTurn = attrs.field(factory=ScriptedTurn)
    asked: list[RunTurn] = attrs.field(factory=list)
    refused: Exception | None = None
    waiters: list[Waiter] = attrs.field(factory=list)

    def waiting(self) -> list[Waiter]:
        return self.waiters

    async def submit(self, request: RunTurn) -> ScriptedTurn:
        self.asked.append(request)
        if self.refused is not None:
            raise self.refused
        return self.turn


class FakeUsers:
    async def authenticate(self, raw_key: str) -> Caller:
        if raw_key == SUSPENDED_KEY:
            raise UserSuspended("The user is suspended.")
        if raw_key != KEY:
            raise InvalidApiKey("There is no such key.")
        return CALLER

    async def caller_for_operator(self, operator_id: str) -> Caller:
        return attrs.evolve(OPERATOR, operator_id=operator_id)


class FakeOperators:
    async def verify(self, access_token: str) -> str:
        if access_token != OPERATOR_TOKEN:
            raise InvalidApiKey("That is no access token.")
        return "op_1"


@attrs.define
class FakeAgents:
    listed: Mapping[str, Sequence[str]] = attrs.field(
        factory=lambda: {
            "codex": ("gpt-5-codex", "gpt-5"),
            "opencode": ("opencode/big-pickle", "anthropic/claude"),
        }
    )

    def takes_images(self, provider: str) -> bool:
        return provider == "codex"

    async def models(self, provider: str) -> Sequence[str]:
        return self.listed.get(provider, ())


@attrs.define
class FakeHealth:
    wrong: list[str] = attrs.field(factory=list)

    def reasons(self) -> list[str]:
        return self.wrong

    def degraded_by(self) -> list[str]:
        return []

    def standings(self) -> list[FollowerStanding]:
        return []


def services(**parts: Any) -> Services:
    """A bundle in which the parts the test does not name are harmless."""
    numbers = count(1)
    server = SimpleNamespace(
        max_body_bytes=100_000,
        cors_origins=("https://ui.example",),
        conversation_headers=("X-My-Chat",),
        conversation_fields=(),
        asides=True,
        trusted_proxies=(),
    )
    defaults = {"codex": "gpt-5-codex", "opencode": "opencode/big-pickle"}
    house: dict[str, Any] = {
        "turns": FakeTurns(),
        "sessions": None,
        "users": FakeUsers(),
        "accounts": None,
        "operators": FakeOperators(),
        "models": Models(FakeAgents(), defaults, created=1_700_000_000),
        "views": None,
        "health": FakeHealth(),
        "settings": SimpleNamespace(server=server, workspace=SimpleNamespace(max_file_bytes=1000)),
        "clock": lambda: NOW,
        "new_id": lambda prefix: f"{prefix}_{next(numbers)}",
    }
    return Services(**{**house, **parts})


@attrs.frozen
class Door:
    """A served gateway, and a session that speaks to it."""

    url: str
    http: aiohttp.ClientSession
    answers: list[aiohttp.ClientResponse] = attrs.field(factory=list)

    async def chat(self, body: Any = None, **headers: str) -> aiohttp.ClientResponse:
        """Posts a chat request with the user's key."""
        sent = {"Authorization": f"Bearer {KEY}", **headers}
        wanted = body if body is not None else a_request()
        return await self.ask("POST", "/v1/chat/completions", json=wanted, headers=sent)

    async def ask(self, method: str, path: str, **more: Any) -> aiohttp.ClientResponse:
        """One request; its answer is closed with the door."""
        answer = await self.http.request(method, path, **more)
        self.answers.append(answer)
        return answer


@asynccontextmanager
async def opened(bundle: Services) -> AsyncIterator[Door]:
    """Serves `bundle` on loopback for the length of the block."""
    serving = runner(build(bundle), shutdown_timeout=1.0)
    await serving.setup()
    try:
        await web.TCPSite(serving, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{serving.addresses[0][1]}"
        async with aiohttp.ClientSession(url) as http:
            door = Door(url, http)
            try:
                yield door
            finally:
                for answer in door.answers:
                    answer.close()
    finally:
        await serving.cleanup()


def a_request(**more: Any) -> dict[str, Any]:
    """The smallest chat request, and whatever else the test wants in it."""
    return {"model": "codex/gpt-5-codex", "messages": [{"role": "user", "content": "Hi"}], **more}
