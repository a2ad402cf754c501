"""A gateway's doors without the house behind them: scripted turns, two keys, one operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from codara.application.models import Models
from codara.http.app import build
from codara.http.server import runner
from codara.http.services import Services
from tests.fakes.health import FakeHealth
from tests.fakes.model_lists import FakeModelLists
from tests.fakes.operators import FakeOperators
from tests.fakes.turns import FakeTurns
from tests.fakes.users import KEY, FakeUsers

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


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
        "repairs": None,
        "users": FakeUsers(),
        "accounts": None,
        "operators": FakeOperators(),
        "models": Models(FakeModelLists(), defaults, created=1_700_000_000),
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
