"""A house in which turns run for real, with an agent that does what the test says."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from codara.application.callers import Caller
from codara.application.deciding import Deciding
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, TextDelta
from codara.application.ports.workspaces import MISSING, Diff, Snapshot, Upload
from codara.application.turns.commands import Message, RunTurn
from codara.application.turns.context import Context, Patience, TurnLimits
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.application.workspaces import WorkspaceDesk
from codara.domain.aggregates import of_stream
from codara.errors import NotFound, WorkspaceAccessDenied
from codara.events import streams
from codara.events.base import Append
from codara.events.store.log import EventLog
from codara.events.workspace import FileChange
from codara.projections.accounts import Standing
from tests import event_examples
from tests.fakes import FakeKeyRing, FixedClock

Script = Callable[[AgentTurn, FrameSink], Awaitable[Outcome]]

CALLER = Caller(user_id=event_examples.USER, key_id=event_examples.KEY, max_concurrency=3)


async def says_hello(turn: AgentTurn, sink: FrameSink) -> Outcome:
    """Two deltas of a thread called `backend-1`."""
    sink.frame(BackendSeen(turn.backend_id or "backend-1"))
    sink.raw(b'{"delta":"hel"}')
    sink.frame(TextDelta("hel"))
    sink.frame(TextDelta("lo"))
    return Outcome(status="completed", backend_id=turn.backend_id or "backend-1")


async def nothing_to_do(workspace_id: str) -> None:
    """Empties nothing."""


@attrs.define
class FakeAgents:
    """Runs `script`; remembers the turns it was given, and how many were cancelled."""

    script: Script = says_hello
    ready: list[AgentTurn] = attrs.field(factory=list)
    """Those it got ready for, permitted or not."""
    turns: list[AgentTurn] = attrs.field(factory=list)
    prepared: list[AgentTurn] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    """Whose models it was to learn."""
    emptied: list[str] = attrs.field(factory=list)
    """Workspaces whose homes were emptied, in order."""
    emptying: Callable[[str], Awaitable[None]] = nothing_to_do
    forgotten: list[str] = attrs.field(factory=list)
    cancelled: int = 0
    sighted: bool = True
    forking: bool = False

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        self.ready.append(turn)
        try:
            await turn.permitted()
            self.turns.append(turn)
            return await self.script(turn, sink)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def prepare(self, turn: AgentTurn) -> None:
        self.prepared.append(turn)

    def takes_images(self, provider: str) -> bool:
        return self.sighted

    def forks(self, provider: str) -> bool:
        return self.forking

    async def models(self, provider: str) -> Sequence[str]:
        return ("gpt-5-codex",)

    def learn(self, provider: str) -> None:
        self.asked.append(provider)

    async def empty_home(self, workspace_id: str) -> None:
        self.emptied.append(workspace_id)
        await self.emptying(workspace_id)

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        self.forgotten.extend(backend_ids)

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        return 0


@attrs.define
class FakeWorkspaces:
    """Folders that exist in name only; `files` is what is in all of them."""

    files: dict[str, str] = attrs.field(factory=dict)
    trees: dict[str, dict[str, str]] = attrs.field(factory=dict)
    broken: bool = False
    missing: bool = False
    staged: dict[str, tuple[Upload, ...]] = attrs.field(factory=dict)
    in_the_way: bool = False

    def folder(self, user_id: str, label: str) -> Path:
        return Path("/w") / user_id / label.replace("/", "%2F")

    async def provision(self, workspace_id: str, folder: Path) -> None:
        self.missing = False

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        if self.broken:
            raise OSError("the folder cannot be read")
        if self.missing:
            self.files.clear()
        tree = f"tree{hash(frozenset(self.files.items()))}"
        self.trees[tree] = dict(self.files)
        partial = (MISSING,) if self.missing else ()
        return Snapshot(tree=tree, files=len(self.files), bytes=0, partial=partial)

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        before, after = self.trees[base], self.trees[final]
        new = sorted(set(after) - set(before))
        patch = "".join(f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n" for path in new)
        changes = tuple(FileChange(path=path, status="added", added=1) for path in new)
        return Diff(files=changes, patch=patch, truncated=False)

    async def stage(
        self, workspace_id: str, folder: Path, below: str, files: Sequence[Upload]
    ) -> None:
        if self.in_the_way:
            raise WorkspaceAccessDenied("something else is there")
        self.staged[below] = tuple(files)

    async def unstage(self, workspace_id: str, folder: Path, below: str) -> None:
        self.staged.pop(below, None)


@attrs.define
class FakeSpool:
    """Spools in memory."""

    kept: dict[str, list[bytes]] = attrs.field(factory=dict)

    def open(self, turn_id: str) -> "FakeSpoolFile":
        return FakeSpoolFile(self, turn_id)

    async def read(self, turn_id: str) -> bytes:
        return b"\n".join(self.kept.get(turn_id, []))

    async def remove(self, turn_id: str) -> None:
        self.kept.pop(turn_id, None)


@attrs.frozen
class FakeSpoolFile:
    spool: FakeSpool
    turn_id: str

    def write(self, line: bytes) -> None:
        self.spool.kept.setdefault(self.turn_id, []).append(line)

    async def close(self) -> bytes:
        return await self.spool.read(self.turn_id)

    def remove(self) -> None:
        self.spool.kept.pop(self.turn_id, None)


@attrs.define
class FakeStandings:
    """The accounts of every provider."""

    accounts: list[Standing] = attrs.field(factory=list)

    async def of_provider(self, provider: str) -> Sequence[Standing]:
        return [each for each in self.accounts if each.provider == provider]


@attrs.define
class FakeFeed:
    """Read models that are up to date, or that are behind until somebody waits for them."""

    behind: Callable[[], None] | None = None

    def position(self) -> int:
        return -1 if self.behind else 1_000_000

    async def wait_for(self, position: int, seconds: float) -> bool:
        catch_up, self.behind = self.behind, None
        if catch_up:
            catch_up()
        return True


@attrs.define
class NothingFolded:
    """Read models that hold no point yet: whoever looks for one finds it in memory."""

    def position(self) -> int:
        return 0

    async def wait_for(self, position: int, seconds: float) -> bool:
        return False

    async def of_digests(self, digests: Sequence[str], **of: str) -> Sequence[Any]:
        return []

    async def of_tail(self, tail: str, **of: str) -> Sequence[Any]:
        return []

    async def of_session(self, session_id: str, digests: Sequence[str], **of: str) -> Sequence[Any]:
        return []


def standing(account_id: str = event_examples.ACCOUNT, **changes: Any) -> Standing:
    """A ready codex account."""
    ready = Standing(
        account_id=account_id,
        provider="codex",
        status="ready",
        until=None,
        headroom=None,
        last_used_at=None,
        primary=False,
    )
    return attrs.evolve(ready, **changes)


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
