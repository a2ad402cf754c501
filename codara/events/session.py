"""Facts of a session: a conversation of one user with one agent in one workspace."""

from datetime import datetime
from typing import Any, ClassVar

import attrs

from codara.events.base import Event, PayloadRef, private
from codara.events.thread import Branch, Elsewhere, Thread


@attrs.frozen(kw_only=True)
class SessionOpened(Event):
    name: ClassVar[str] = "session.opened"
    version: ClassVar[int] = 2
    session_id: str
    user_id: str
    workspace_id: str
    provider: str
    client_session_id: str = private()
    """The label that a client chose; empty for a session that is found by its transcript."""
    origin: str
    """`named`, `reference`, `found`, `new`, `forked` or `aside`: how its first turn came to it."""
    caller: str
    """The key, or the operator, whose requests may find it; empty for a named one of old."""
    forked_from: str | None = None
    """The task after which it branched from another session."""


@attrs.frozen(kw_only=True)
class Picture:
    """A picture the agent is shown: its media type, and where its bytes are."""

    media_type: str
    payload: PayloadRef


@attrs.frozen(kw_only=True)
class TurnRequested(Event):
    """A turn waits to start.

    It carries the session's standing (`provider`, `thread`, `elsewhere`, `dirty`, `origin`,
    `caller`), so that a decision needs to fold no event older than the last of these.
    """

    name: ClassVar[str] = "session.turn_requested"
    version: ClassVar[int] = 2
    session_id: str
    turn_id: str
    user_id: str
    workspace_id: str
    request_id: str
    key_id: str | None
    provider: str
    model: str
    manual: bool = False
    persistent: bool = True
    origin: str
    """How the session's first turn came to it: see `SessionOpened`."""
    caller: str
    chat: str = ""
    """Digest of the chat id that the request bears."""
    system: str = ""
    """Digest of its system messages."""
    thread: Thread
    """The agent's thread as it stands; empty when a fresh one begins. Its point is what the turn
    continues: the session's end at this moment."""
    fork: Branch | None = None
    """The thread that this turn branches from, instead of going on with `thread`."""
    elsewhere: tuple[Elsewhere, ...] = ()
    heard: Thread
    """The same thread once the agent has heard the prompt."""
    dirty: bool
    idempotency: str | None = None
    """The idempotency stream that is freed if the turn fails before it did anything."""
    prompt: str = private()
    """What the agent gets to hear, or its first few KiB when `prompt_payload` holds the whole."""
    prompt_payload: PayloadRef | None = None
    question: str = private(default="")
    """What the user said in this turn, where the prompt tells more than that."""
    question_payload: PayloadRef | None = None
    instructions: str = private(default="")
    instructions_payload: PayloadRef | None = None
    images: tuple[Picture, ...] = ()


@attrs.frozen(kw_only=True)
class Candidate:
    """An account that was looked at: its score, and why it was passed over (None: chosen)."""

    account_id: str
    headroom: float | None
    refused: str | None


@attrs.frozen(kw_only=True)
class AccountChosen:
    """Why this account: the best five looked at, and how many fell out for which reason."""

    account_id: str
    policy: str
    best: tuple[Candidate, ...]
    refused: dict[str, int]


@attrs.frozen(kw_only=True)
class Waited:
    """What a turn waited for before it was admitted: a workspace, its user's limit, a place."""

    what: str
    behind: str | None
    """The task that held it, where one did."""
    seconds: float


@attrs.frozen(kw_only=True)
class TurnStarted(Event):
    name: ClassVar[str] = "session.turn_started"
    session_id: str
    turn_id: str
    user_id: str
    thread: str
    """`new`, `resumed`, `forked` or `fresh`."""
    baseline: str
    """Tree id of the workspace before the turn."""
    account_chosen: AccountChosen
    leases: tuple[str, ...]
    """The lease streams taken with this turn; each is released by the event that ends it."""
    until: datetime
    jailed: bool
    waited: Waited | None = None
    """What it waited for last; None if it went at once."""


@attrs.frozen(kw_only=True)
class BackendBound(Event):
    name: ClassVar[str] = "session.backend_bound"
    version: ClassVar[int] = 2
    session_id: str
    turn_id: str
    backend_id: str
    heard: Thread | None = None
    """What the fresh thread hears, when the agent had lost the one it was to go on with."""


@attrs.frozen(kw_only=True)
class AccountChanged(Event):
    """The account failed before anything came of the turn: it runs again on another one."""

    name: ClassVar[str] = "session.account_changed"
    session_id: str
    turn_id: str
    before: str
    """The account that failed."""
    cause: str
    account_chosen: AccountChosen
    leases: tuple[str, ...]
    """The lease streams the turn holds from now on."""


@attrs.frozen(kw_only=True)
class TurnRetried(Event):
    """The agent died before anything came of the turn: it runs again in a fresh process."""

    name: ClassVar[str] = "session.turn_retried"
    session_id: str
    turn_id: str
    cause: str


@attrs.frozen(kw_only=True)
class HistoryDiverged(Event):
    """The client's history is not a continuation of the thread's: a fresh thread gets the whole."""

    name: ClassVar[str] = "session.history_diverged"
    session_id: str
    turn_id: str
    recorded: int
    offered: int


@attrs.frozen(kw_only=True)
class Usage:
    """Tokens of one turn. `input` includes `cached`; `output` includes `reasoning`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    raw: dict[str, Any] = attrs.field(factory=dict)
    """What the agent itself said, in its own words; not ours to interpret.

    `{"reports": [...], "left_out": count}`, the newest reports, oldest first.
    """


@attrs.frozen(kw_only=True)
class TurnEnd:
    """What every end of a turn records, however it ended."""

    thread: Thread
    """What the agent's thread has heard by now."""
    lost_thread: bool = False
    """The agent had lost the thread it was to go on with: `thread` is a fresh one."""
    expires_at: datetime
    """When the session expires if no other turn comes."""
    usage: Usage | None = None
    frames: PayloadRef | None = None
    """The agent's own output, as it wrote it."""
    actions: PayloadRef | None = None
    activity: PayloadRef | None = None
    """What the agent did and when, as JSON: `{"deeds": [{"name", "start", "end", "attributes"}],
    "left_out": count}`; an `end` of null was never reached."""
    tool_ran: bool = False
    changed: bool = False
    timings: dict[str, float] = attrs.field(factory=dict)
    """Milliseconds by phase: queue, start, first_delta, agent, finish."""


@attrs.frozen(kw_only=True)
class TurnCompleted(Event):
    name: ClassVar[str] = "session.turn_completed"
    version: ClassVar[int] = 2
    session_id: str
    turn_id: str
    user_id: str
    end: TurnEnd
    finish_reason: str = "stop"
    """Why the answer ended: `stop`, or `length` or `content_filter` if the provider cut it."""
    answer: str = private()
    """The answer, or its first few KiB when `answer_payload` holds the whole."""
    answer_payload: PayloadRef | None = None


@attrs.frozen(kw_only=True)
class TurnFailed(Event):
    name: ClassVar[str] = "session.turn_failed"
    version: ClassVar[int] = 2
    session_id: str
    turn_id: str
    user_id: str
    code: str
    cause: str
    end: TurnEnd
    retry_after: float | None = None
    message: str = private()
    answer: str = private()
    """The text that came before the failure, if any."""
    answer_payload: PayloadRef | None = None


@attrs.frozen(kw_only=True)
class TurnCancelled(Event):
    name: ClassVar[str] = "session.turn_cancelled"
    version: ClassVar[int] = 2
    session_id: str
    turn_id: str
    user_id: str
    cause: str
    """`client_gone`, `requested` or `shutdown`."""
    end: TurnEnd
    answer: str = private()
    answer_payload: PayloadRef | None = None


@attrs.frozen(kw_only=True)
class SessionReset(Event):
    """The next turn begins a fresh thread; the workspace's files stay."""

    name: ClassVar[str] = "session.reset"
    session_id: str


@attrs.frozen(kw_only=True)
class SessionExpired(Event):
    """Nothing happened for `session_ttl_hours`: the next turn begins a fresh thread."""

    name: ClassVar[str] = "session.expired"
    session_id: str
