"""Facts of a session: a conversation of one user with one agent in one workspace."""

from datetime import datetime
from typing import Any, ClassVar

import attrs

from codara.events.base import Event, PayloadRef, private
from codara.events.thread import Branch, Elsewhere, Thread
from codara.events.vocabulary import (
    CancelCause,
    FinishReason,
    SessionOrigin,
    ThreadKind,
    WaitedFor,
)


@attrs.frozen(kw_only=True)
class SessionOpened(Event):
    name: ClassVar[str] = "session.opened"
    version: ClassVar[int] = 2
    session_id: str
    user_id: str
    workspace_id: str
    provider: str
    client_session_id: str = private()
    """The name that a client chose; empty for a session that is found by its transcript."""
    origin: SessionOrigin
    """How the session's first turn came to it."""
    caller: str
    """The key, or the operator, whose requests may find the session; empty for some named ones."""
    forked_from: str | None = None
    """The task after which this session branched from another one."""


@attrs.frozen(kw_only=True)
class Picture:
    """A picture that the agent is shown: its media type, and where its bytes are kept."""

    media_type: str
    payload: PayloadRef


@attrs.frozen(kw_only=True)
class TurnRequested(Event):
    """A turn waits to start.

    The event carries the session's standing (`provider`, `thread`, `elsewhere`, `dirty`, `origin`,
    `caller`), so that no decision needs to fold an event older than the last of these.
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
    origin: SessionOrigin
    """How the session's first turn came to it: see `SessionOpened`."""
    caller: str
    chat: str = ""
    """Digest of the chat id in the request."""
    system: str = ""
    """Digest of the request's system messages."""
    thread: Thread
    """The agent's thread as it stands; empty if a fresh one begins.

    Its point is what the turn continues: the end of the session at this moment.
    """
    fork: Branch | None = None
    """The thread from which this turn branches, instead of going on with `thread`."""
    elsewhere: tuple[Elsewhere, ...] = ()
    heard: Thread
    """The same thread, at the point where the agent has heard the prompt."""
    dirty: bool
    idempotency: str | None = None
    """The idempotency stream; it is freed if the turn fails before it did anything."""
    prompt: str = private()
    """What the agent is told; its first few KiB if `prompt_payload` holds the whole."""
    prompt_payload: PayloadRef | None = None
    question: str = private(default="")
    """What the user said in this turn, if the prompt tells more than that."""
    question_payload: PayloadRef | None = None
    instructions: str = private(default="")
    instructions_payload: PayloadRef | None = None
    images: tuple[Picture, ...] = ()


@attrs.frozen(kw_only=True)
class Candidate:
    """An account that was considered; `headroom` is in percent, None if it was never observed."""

    account_id: str
    headroom: float | None
    refused: str | None
    """Why it was passed over: its status, why it failed now, or a `PassedOver`; None: it was not.

    Earlier versions wrote `ready` for what is `tried` now.
    """


@attrs.frozen(kw_only=True)
class AccountChosen:
    """Why this account was chosen: the best five considered, and how many were refused why."""

    account_id: str
    policy: str
    best: tuple[Candidate, ...]
    refused: dict[str, int]


@attrs.frozen(kw_only=True)
class Waited:
    """What a turn waited for before it was admitted, and for how many seconds."""

    what: WaitedFor
    behind: str | None
    """The task that held it; None if no task did."""
    seconds: float


@attrs.frozen(kw_only=True)
class TurnStarted(Event):
    name: ClassVar[str] = "session.turn_started"
    session_id: str
    turn_id: str
    user_id: str
    thread: ThreadKind
    """Which thread the turn works with."""
    baseline: str
    """Id of the workspace's tree before the turn."""
    account_chosen: AccountChosen
    leases: tuple[str, ...]
    """The lease streams taken with this turn; the event that ends the turn releases each."""
    until: datetime
    jailed: bool
    waited: Waited | None = None
    """What the turn waited for last; None if it started at once."""


@attrs.frozen(kw_only=True)
class BackendBound(Event):
    name: ClassVar[str] = "session.backend_bound"
    version: ClassVar[int] = 2
    session_id: str
    turn_id: str
    backend_id: str
    heard: Thread | None = None
    """What the fresh thread is told, if the agent had lost the thread that was to go on."""


@attrs.frozen(kw_only=True)
class AccountChanged(Event):
    """The account failed before the turn had any effect: the turn runs again on another account."""

    name: ClassVar[str] = "session.account_changed"
    session_id: str
    turn_id: str
    before: str
    """The account that failed."""
    cause: str
    account_chosen: AccountChosen
    leases: tuple[str, ...]
    """The lease streams that the turn holds from now on."""


@attrs.frozen(kw_only=True)
class TurnRetried(Event):
    """The agent died before the turn had any effect: the turn runs again in a new process."""

    name: ClassVar[str] = "session.turn_retried"
    session_id: str
    turn_id: str
    cause: str


@attrs.frozen(kw_only=True)
class HistoryDiverged(Event):
    """The client's history does not continue the thread's: a fresh thread gets all of it."""

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
    """The agent's own reports, in its own words; the gateway does not interpret them.

    `{"reports": [...], "left_out": count}`: the newest reports, the oldest of them first.
    """


@attrs.frozen(kw_only=True)
class TurnEnd:
    """What every end of a turn records, however it ended."""

    thread: Thread
    """What the agent's thread has heard by now."""
    lost_thread: bool = False
    """Whether the agent had lost the thread that was to go on: `thread` is then a fresh one."""
    expires_at: datetime
    """When the session expires if no other turn comes."""
    usage: Usage | None = None
    frames: PayloadRef | None = None
    """The agent's own output, as it wrote it."""
    actions: PayloadRef | None = None
    activity: PayloadRef | None = None
    """What the agent did, and when, as JSON. An `end` of null: the deed did not end.

    `{"deeds": [{"name", "start", "end", "attributes"}], "left_out": count}`
    """
    text_replaced: bool = False
    """Whether U+FFFD stands for something that the agent wrote and that is no text."""
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
    finish_reason: FinishReason = "stop"
    """Why the answer ended; `length` or `content_filter` if the provider cut it."""
    answer: str = private()
    """The answer; its first few KiB if `answer_payload` holds the whole."""
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
    """What the caller was told."""
    detail: str = private(default="")
    """What operators see besides: the words of the agent, or of its vendor."""
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
    cause: CancelCause
    """Who ended the turn."""
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
