"""A house in which turns run for real, with an agent that does what the test says."""

import hashlib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from codara.application.callers import Caller
from codara.application.deciding import Deciding
from codara.application.turns.commands import Message, RunTurn
from codara.application.turns.context import Context, Patience, TurnLimits
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.application.workspaces import WorkspaceDesk
from codara.domain.aggregates import of_stream
from codara.errors import NotFound
from codara.events import streams
from codara.events.base import Append
from codara.events.store.log import EventLog
from tests import event_examples
from tests.fakes.agents import FakeAgents
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing
from tests.fakes.read_models import FakeFeed, NothingFolded
from tests.fakes.spool import FakeSpool
from tests.fakes.standings import FakeStandings, standing
from tests.fakes.workspaces import FakeWorkspaces

CALLER = Caller(user_id=event_examples.USER, key_id=event_examples.KEY, max_concurrency=3)


LIMITS = TurnLimits(
    max_concurrency=10,
    queue_limit=10,
    queue_timeout=5.0,
    session_ttl=timedelta(hours=24),
    disconnect_grace=0.0,
    keyed_disconnect_grace=30.0,
    account_slots=4,
    primary_floor=5.0,
    cooldown=timedelta(seconds=60),
    patience={"codex": Patience(turn_timeout=60.0, stall_timeout=10.0)},
)


@attrs.define
class House:
    """Everything a test of turns holds in its hands."""

    log: EventLog
    context: Context
    turns: Turns
    agents: FakeAgents
    workspaces: FakeWorkspaces
    spool: FakeSpool
    standings: FakeStandings
    clock: FixedClock

    async def trail(self, *areas: str) -> list[str]:
        """The names of all events of these areas, in order."""
        recorded = await self.log.read(0, limit=10_000)
        names = [each.event.name for each in recorded]
        return [name for name in names if name.partition(".")[0] in areas]

    async def happened(self, name: str) -> None:
        """Waits until an event of that name is in the log."""
        while True:
            head = self.log.head()
            if name in await self.trail(name.partition(".")[0]):
                return
            await self.log.wait_past(head)

    async def the(self, kind: type[Any]) -> Any:
        """The last event of that class."""
        recorded = await self.log.read(0, limit=10_000)
        return [each.event for each in recorded if isinstance(each.event, kind)][-1]

    async def ask(self, text: str = "hello", **changes: Any) -> Any:
        """Runs one turn to its end and returns its result."""
        handle = await self.turns.submit(command(text, **changes))
        async with handle:
            return await handle.result()


_requests = iter(range(1, 1_000_000))


def command(text: str = "hello", **changes: Any) -> RunTurn:
    """A request with one user message."""
    number = next(_requests)
    ready = RunTurn(
        caller=CALLER,
        request_id=f"req_{number}",
        trace_id=f"trc_{number}",
        body_digest=hashlib.sha256(text.encode()).hexdigest(),
        idempotency_key=None,
        retry=False,
        messages=(Message("user", text),),
        model="gpt-5-codex",
        provider="codex",
        workspace="default",
        workspace_root=None,
        session_label="default",
        manual=False,
        persistent=True,
        stream=False,
    )
    return attrs.evolve(ready, **changes)


async def open_house(folder: Path, limits: TurnLimits = LIMITS, **parts: Any) -> House:
    """A house on a log in `folder`, with one ready account."""
    keys, clock = FakeKeyRing(), FixedClock()
    log = await EventLog.open(folder / "events.db", keys, clock=clock)
    deciding = Deciding(log, of_stream)
    agents, workspaces = (
        parts.get("agents", FakeAgents()),
        parts.get("workspaces", FakeWorkspaces()),
    )
    spool, standings = parts.get("spool", FakeSpool()), FakeStandings([standing()])
    context = Context(
        log=log,
        deciding=deciding,
        workspaces=workspaces,
        agents=agents,
        spool=spool,
        keys=keys,
        standings=standings,
        feed=parts.get("feed", FakeFeed()),
        finder=Finder(NothingFolded(), NothingFolded(), clock),
        clock=clock,
        new_id=parts.get("new_id", _new_id),
        limits=limits,
        jailed=True,
    )
    desk = WorkspaceDesk(deciding=deciding, workspaces=workspaces, keys=keys, new_id=context.new_id)
    if await log.last(streams.account(event_examples.ACCOUNT)) is None:
        registered = [event_examples.account_registered(), event_examples.credential_stored()]
        await log.append(
            [Append(streams.account(event_examples.ACCOUNT), 0, registered)], event_examples.CAUSE
        )
    turns = Turns(context, desk)
    return House(log, context, turns, agents, workspaces, spool, standings, clock)


_ids = iter(range(1, 1_000_000))


def _new_id(prefix: str) -> str:
    return f"{prefix}_{next(_ids):08d}"


async def close_house(house: House) -> None:
    """Ends what still runs."""
    with suppress(NotFound):
        await house.turns.close(0.0)
    await house.log.close()
