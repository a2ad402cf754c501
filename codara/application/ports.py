"""What the application needs of the outside world, in its own words.

Adapters and projections satisfy these Protocols without importing them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import attrs

from codara.events.workspace import FileChange

# ---------------------------------------------------------------- agents


@attrs.frozen
class TextDelta:
    """A piece of the answer."""

    text: str


@attrs.frozen
class ReasoningDelta:
    """A piece of the agent's thinking."""

    text: str


@attrs.frozen
class ToolStarted:
    """The agent began something that may change the world."""

    tool_id: str
    kind: str
    title: str


@attrs.frozen
class ToolFinished:
    tool_id: str
    ok: bool


@attrs.frozen
class FileHint:
    """The agent says it changed these; the truth is the workspace's diff."""

    paths: tuple[str, ...]


@attrs.frozen
class UsageSeen:
    """Tokens of this turn so far; `raw` is what the agent said."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    raw: Mapping[str, object]


@attrs.frozen
class WindowSeen:
    name: str
    used_percent: float | None
    minutes: int | None
    resets_at: datetime | None


@attrs.frozen
class QuotaSeen:
    """The provider told how much of the account's quota is used."""

    source: str
    windows: tuple[WindowSeen, ...]


@attrs.frozen
class RetryNotice:
    """The agent is trying again by itself: a reason to wait, but no progress."""

    reason: str


@attrs.frozen
class BackendSeen:
    """The agent's own id of the conversation."""

    backend_id: str


@attrs.frozen
class Warned:
    """The agent complains about something that fails nothing."""

    message: str


Frame = (
    TextDelta
    | ReasoningDelta
    | ToolStarted
    | ToolFinished
    | FileHint
    | UsageSeen
    | QuotaSeen
    | RetryNotice
    | BackendSeen
    | Warned
)


@attrs.frozen(kw_only=True)
class Outcome:
    """How the agent's turn ended, decided by everything that was seen.

    `status` is completed, failed or interrupted. `cause` of a failure: auth_failed,
    quota_exhausted, rate_limited, overloaded, context_full, unknown_model, unknown_session,
    cut_stream, stalled, timeout, killed, jail, crashed, protocol.
    """

    status: str
    cause: str | None = None
    message: str = ""
    backend_id: str | None = None
    resets_at: datetime | None = None
    jailed: bool = True


@attrs.frozen(kw_only=True)
class AgentTurn:
    """One turn, as the agent gets it.

    `instructions` are the system messages; `prompt` is the text the agent has not heard yet;
    `backend_id` is the thread to go on with, None for a fresh one. `until` bounds the whole turn,
    `stall_timeout` (seconds, 0: off) the time without progress.
    """

    turn_id: str
    user_id: str
    workspace_id: str
    folder: Path
    provider: str
    model: str
    account_id: str
    instructions: str
    prompt: str
    backend_id: str | None
    read_only: bool
    until: datetime
    stall_timeout: float


class FrameSink(Protocol):
    """Where an agent's output goes, as it comes. Neither call waits."""

    def raw(self, line: bytes) -> None:
        """One line as the agent wrote it, without its line end."""

    def frame(self, frame: Frame) -> None:
        """What the line means to us."""


class Agents(Protocol):
    """The agents of all providers, kept warm."""

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """Runs one turn to its end.

        An agent's failure is an Outcome, not an exception; JailUnavailable is raised where no
        jail can be made, AgentFailed where the binary is missing or not executable. Cancelled,
        it interrupts the agent by its protocol, kills the jail after a grace, and returns the
        cancellation with nothing left running that could still write to the workspace.
        """

    async def models(self, provider: str) -> Sequence[str]:
        """The models the provider's CLI lists; from a cache, never waiting for a vendor."""


class JailJournal(Protocol):
    """Where jails write what becomes of them; the application turns it into events."""

    async def started(
        self,
        *,
        jail_id: str,
        workspace_id: str,
        runtime: str,
        inner_pid: int,
        start_time: int,
        boot_id: str,
        policy: str,
        limits: Sequence[str],
        jailed: bool,
    ) -> None:
        """Before the agent's first instruction runs; the jail waits for the log."""

    async def exited(
        self, jail_id: str, *, exit_code: int | None, egress: Mapping[str, int]
    ) -> None:
        """The jail's last process is gone."""

    async def killed(self, jail_id: str, *, reason: str) -> None:
        """We ended it."""

    async def egress_denied(self, jail_id: str, *, host: str, port: int) -> None:
        """It asked for a connection it may not make."""


class LeftJail(Protocol):
    """A jail that the log believes to be running."""

    @property
    def jail_id(self) -> str: ...

    @property
    def inner_pid(self) -> int: ...

    @property
    def start_time(self) -> int: ...

    @property
    def boot_id(self) -> str: ...


class JailSweeper(Protocol):
    """Ends what a gateway left behind."""

    async def sweep(self, jails: Sequence[LeftJail]) -> Sequence[str]:
        """Kills those of `jails` that still run, waits until they are gone, and names them."""


# ---------------------------------------------------------------- workspaces


@attrs.frozen(kw_only=True)
class Snapshot:
    """The tree of a folder at one moment; `partial` says what it does not hold, and why."""

    tree: str
    files: int
    bytes: int
    partial: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Diff:
    """Tree against tree. `patch` is unified text, cut at `max_diff_bytes` if `truncated`."""

    files: tuple[FileChange, ...]
    patch: str
    truncated: bool


class Workspaces(Protocol):
    """The folders in which agents work, and what is known of their contents."""

    def folder(self, user_id: str, label: str) -> Path:
        """Where a workspace of that label is, whether it exists or not."""

    async def provision(self, workspace_id: str, folder: Path) -> None:
        """Makes the folder, owned by whom the agents run as. Doing it twice is harmless."""

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        """Writes the folder's present tree to the store; never raises for its contents."""

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        """What changed between two trees of the workspace."""


# ---------------------------------------------------------------- secrets and frames


class Vault(Protocol):
    """Credentials, sealed under the master key."""

    async def store(self, account_id: str, credential: bytes) -> str:
        """Keeps it and returns its fingerprint."""

    async def credential(self, account_id: str) -> bytes:
        """The secret; NotFound if there is none."""

    async def remove(self, account_id: str) -> None:
        """Forgets it."""


class Spool(Protocol):
    """Encrypted, append-only files that hold the raw frames of running turns."""

    def open(self, turn_id: str) -> "SpoolFile":
        """Begins (or goes on with) the turn's spool."""

    async def read(self, turn_id: str) -> bytes:
        """All lines written so far, newline-separated; empty if there are none."""

    async def remove(self, turn_id: str) -> None:
        """The spool has become a payload, or is of no use."""


class SpoolFile(Protocol):
    def write(self, line: bytes) -> None:
        """Queues one line; the file is written off the event loop."""

    async def close(self) -> bytes:
        """Waits until all is written; returns the whole."""


# ---------------------------------------------------------------- read models a decision asks


class AccountStanding(Protocol):
    """An account as the read model knows it. `headroom` is in percent, None where never seen."""

    @property
    def account_id(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def until(self) -> datetime | None: ...

    @property
    def headroom(self) -> float | None: ...

    @property
    def last_used_at(self) -> datetime | None: ...

    @property
    def primary(self) -> bool: ...


class AccountStandings(Protocol):
    async def of_provider(self, provider: str) -> Sequence[AccountStanding]:
        """All registered accounts of the provider, removed ones left out."""


class OpenTurn(Protocol):
    """A turn that the log says has not ended."""

    @property
    def turn_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def workspace_id(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    @property
    def started(self) -> bool: ...


class Unfinished(Protocol):
    """What recovery has to look after."""

    async def turns(self) -> Sequence[OpenTurn]: ...

    async def jails(self) -> Sequence[LeftJail]: ...


class Keys(Protocol):
    """HMAC under a key of this log, so that stream names give nothing away."""

    def digest(self, purpose: str, *parts: str) -> str:
        """64 hexadecimal digits; the same parts always give the same."""

    async def ensure(self, subject: str) -> None:
        """Makes the subject's data key, so that nobody waits for the disk at its first event."""


class LiveFeed(Protocol):
    """Read models that follow the log."""

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`."""


class KeyStreams(Protocol):
    async def key_stream(self, key_id: str) -> str | None:
        """The stream of an API key, whose name only an HMAC of the key could tell."""
