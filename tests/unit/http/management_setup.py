"""The user's and the operator's plane with the real log, read models and services behind them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import attrs
from http_with_fakes import opened, services

from codara.adapters.vault.vault import FileVault
from codara.application.accounts import Accounts
from codara.application.deciding import Deciding
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.repairing import Repairs
from codara.application.users import Users
from codara.domain.aggregates import of_stream
from codara.events.base import Append, Cause, Event
from codara.events.store.log import EventLog
from codara.ids import new_id
from codara.projections.views import Views
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.health import FakeHealth
from tests.fakes.model_lists import FakeModelLists
from tests.fakes.sessions import FakeSessions
from tests.fakes.turns import FakeTurns
from tests.fakes.workspaces import FakeWorkspaces
from tests.http_reply import Reply

PASSKEY = "correct horse battery staple"


@attrs.define
class Plane:
    """A gateway, and someone who asks it with a token."""

    http: aiohttp.ClientSession
    log: EventLog
    views: Views
    users: Users
    operators: Operators
    turns: FakeTurns
    sessions: FakeSessions
    clock: FixedClock
    folder: Path
    token: str = ""

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any
    ) -> Reply:
        """One request as the operator, or as whose `token` is given (empty: nobody)."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if body is not None:
            more["json"] = body
        async with self.http.request(
            method, path, headers=headers | more.pop("headers", {}), **more
        ) as answer:
            return Reply(answer.status, await answer.json(), answer.headers)

    async def user(self, email: str = "ann@example.org", **fields: Any) -> Any:
        """Provisions a user; the data of the answer."""
        made = await self.ask("POST", "/management/v1/users", {"email": email, **fields})
        assert made.status == 201, made.body
        return made.data

    async def written(self, stream: str, events: Sequence[Event]) -> int:
        """Appends to a new stream."""
        cause = Cause(actor="system:test", correlation_id="req_test")
        return await self.log.append([Append(stream, 0, events)], cause)

    async def happened(self, stream: str, events: Sequence[Event]) -> None:
        """Appends to a new stream, and waits for the read models."""
        assert await self.views.wait_for(await self.written(stream, events), 5.0)


@asynccontextmanager
async def plane(folder: Path) -> AsyncIterator[Plane]:
    """Everything opened, an operator logged in; everything closed after the block."""
    clock = FixedClock()
    vault = await FileVault.open(folder)
    log = await EventLog.open(folder / "events.db", vault, clock=clock)
    views = await Views.open(folder / "views", log, clock=clock)
    await views.start()
    deciding = Deciding(log, of_stream)
    users = Users(
        deciding=deciding, keys=vault, key_streams=views.users, clock=clock, new_id=new_id
    )
    operators = Operators(
        deciding, PASSKEY, clock, new_id, issuer=log.log_id, run_id="gtw_1", pause=_at_once
    )
    turns, sessions = FakeTurns(), FakeSessions()
    server = SimpleNamespace(
        max_body_bytes=200_000, cors_origins=(), trusted_proxies=("127.0.0.0/8",)
    )
    bundle = services(
        turns=turns,
        sessions=sessions,
        repairs=Repairs(deciding=deciding, workspaces=FakeWorkspaces(), clock=clock, new_id=new_id),
        users=users,
        accounts=Accounts(
            deciding=deciding,
            vault=vault,
            pool=views.account_standings,
            clock=clock,
            new_id=new_id,
        ),
        operators=operators,
        models=Models(FakeModelLists(), {"codex": "gpt-5-codex"}, created=1),
        views=views,
        health=FakeHealth(),
        settings=SimpleNamespace(server=server),
        clock=clock,
        new_id=new_id,
    )
    try:
        async with opened(bundle) as door:
            made = Plane(door.http, log, views, users, operators, turns, sessions, clock, folder)
            await users.ensure_admin(10, event_examples.CLI)
            made.token = (
                await operators.login(PASSKEY, "192.0.2.9", event_examples.CLI)
            ).access_token
            yield made
    finally:
        await operators.close()
        await views.close()
        await log.close()
        await vault.close()


async def _at_once(seconds: float) -> None:
    """A delay takes no time; the next minute never comes."""
    if seconds >= 60:
        await asyncio.Event().wait()
