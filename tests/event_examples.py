"""One ready example of every event, so that a test mentions only what matters to it.

`turn_started(turn_id="trn_2")` is the example of `TurnStarted` with that one field changed.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import attrs

from codara.events import (
    account,
    gateway,
    idempotency,
    jail,
    key,
    lease,
    loss,
    name,
    operator,
    request,
    session,
    thread,
    user,
    workspace,
)
from codara.events.base import Cause, Event, Metadata, PayloadRef, Recorded

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)

USER = "usr_1"
OTHER_USER = "usr_2"
KEY = "key_1"
SESSION = "ses_1"
TURN = "trn_1"
WORKSPACE = "wsp_1"
ACCOUNT = "acc_1"
REQUEST = "req_1"
JAIL = "jal_1"
OPERATOR = "op_1"

CAUSE = Cause(actor=f"user:{USER}", correlation_id="trc_1", causation_id="evt_0")


def turn_holder(turn_id: str = TURN) -> workspace.Holder:
    """Who holds a workspace while a turn works in it."""
    return workspace.Holder(kind="turn", id=turn_id)


CLI = Cause(actor="cli", correlation_id="trc_cli")


def by(actor: str) -> Cause:
    """The cause of what somebody asks for, in a trace of their own."""
    return Cause(actor=actor, correlation_id=f"trc_{actor}", causation_id=f"req_{actor}")


POINT = thread.Point(
    digest="d" * 32, entries=2, answered="d" * 32, exchange="e" * 32, tail="", pictures=""
)
THREAD = thread.Thread(backend_id="backend-1", point=POINT, mark="mark-1")
PAYLOAD = PayloadRef(payload_id="pay_1", digest="a" * 64, size=70_000, key_id="dk_1")
USAGE = session.Usage(
    input=120, cached=20, cache_write=5, output=40, reasoning=10, raw={"input_tokens": 120}
)
END = session.TurnEnd(
    thread=THREAD,
    expires_at=SOON,
    usage=USAGE,
    frames=PAYLOAD,
    actions=None,
    tool_ran=True,
    changed=True,
    timings={"queue": 1.5, "agent": 120.25},
)
CHOSEN = session.AccountChosen(
    account_id=ACCOUNT,
    policy="headroom",
    best=(session.Candidate(account_id=ACCOUNT, headroom=80.5, refused=None),),
    refused={"cooldown": 1},
)
CHANGE = workspace.FileChange(path="src/größe.py", status="modified", added=3, deleted=1)
WINDOW = account.QuotaWindow(name="5h", used_percent=12.5, minutes=300, resets_at=SOON)

EXAMPLES: dict[type[Event], dict[str, Any]] = {
    gateway.LogOpened: {"log_id": "log_1", "format": 1},
    gateway.LogVaultNoted: {"changes": 7},
    loss.LogRestored: {
        "gateway_id": "gw_1",
        "losses": ("log_shorter",),
        "seen": 120,
        "found": 90,
        "vault_noted": 7,
        "vault_found": 8,
    },
    gateway.GatewayStarted: {
        "gateway_id": "gw_1",
        "codara_version": "0.1.0",
        "jail": "bwrap",
        "config_digest": "c" * 64,
    },
    gateway.GatewayRecovered: {"gateway_id": "gw_1", "turns": (TURN,), "jails": (JAIL,)},
    gateway.GatewayFoldersMissing: {"gateway_id": "gw_1", "folders": ("trees", "homes")},
    gateway.GatewayStopped: {"gateway_id": "gw_1"},
    user.UserProvisioned: {
        "user_id": USER,
        "max_concurrency": 4,
        "email": "ada@example.org",
        "display_name": "Ada Lovelace",
    },
    user.UserUpdated: {"user_id": USER, "max_concurrency": 8, "display_name": "Ada King"},
    user.Suspended: {"user_id": USER},
    user.UserRestored: {"user_id": USER},
    user.UserDeleted: {"user_id": USER},
    key.KeyIssued: {"key_id": KEY, "user_id": USER, "until": SOON, "label": "Ada's laptop"},
    key.KeyRevoked: {"key_id": KEY, "user_id": USER},
    account.AccountRegistered: {
        "account_id": ACCOUNT,
        "provider": "codex",
        "auth_type": "API_KEY",
        "label": "Ada's account",
    },
    account.CredentialStored: {
        "account_id": ACCOUNT,
        "fingerprint": "0123456789abcdef",
        "sameness": "abcdef0123456789",
    },
    account.TokenRefreshed: {
        "account_id": ACCOUNT,
        "origin": "0123456789abcdef",
        "fingerprint": "fedcba9876543210",
        "expires_at": SOON,
    },
    account.HealthChanged: {
        "account_id": ACCOUNT,
        "before": "ready",
        "after": "cooldown",
        "cause": "rate_limited",
        "until": SOON,
        "evidence": "429 from Ada's provider",
    },
    account.AccountRemoved: {"account_id": ACCOUNT},
    account.QuotaObserved: {"account_id": ACCOUNT, "source": "headers", "windows": (WINDOW,)},
    lease.LeaseTaken: {
        "kind": "account",
        "owner": ACCOUNT,
        "slot": 0,
        "turn_id": TURN,
        "until": SOON,
    },
    lease.LeaseReleased: {"turn_id": TURN},
    name.NameClaimed: {"kind": "email", "owner": USER},
    name.NameFreed: {"owner": USER},
    idempotency.IdempotencyClaimed: {
        "request_id": REQUEST,
        "turn_id": TURN,
        "session_id": SESSION,
        "body_digest": "b" * 64,
    },
    idempotency.IdempotencyFreed: {"turn_id": TURN},
    request.RequestAccepted: {
        "request_id": REQUEST,
        "user_id": USER,
        "key_id": KEY,
        "turn_id": TURN,
        "session_id": SESSION,
        "trace_id": "trc_1",
        "stream": True,
    },
    request.RequestRefused: {
        "request_id": REQUEST,
        "user_id": USER,
        "key_id": KEY,
        "code": "session_busy",
        "retry_after": 2.5,
        "evidence": {"holder": TURN},
        "message": "Ada's session is busy",
    },
    request.RequestAnswered: {"request_id": REQUEST, "user_id": USER, "turn_id": TURN},
    operator.OperatorLoggedIn: {"operator_id": OPERATOR, "address": "127.0.0.1"},
    operator.LoginRefused: {"address": "127.0.0.1", "attempts": 3},
    operator.TokenRevoked: {"operator_id": OPERATOR, "token_id": "tok_1"},
    operator.TokenExchanged: {
        "operator_id": OPERATOR,
        "exchanges": (operator.TokenExchange(token_id="tok_1", successor="tok_2", at=NOW),),
    },
    operator.TokenReused: {"operator_id": OPERATOR, "token_id": "tok_1"},
    jail.JailStarted: {
        "jail_id": JAIL,
        "workspace_id": WORKSPACE,
        "runtime": "codex",
        "inner_pid": 4711,
        "start_time": 123456,
        "boot_id": "boot-1",
        "policy": "e" * 64,
        "limits": ("pids", "memory"),
        "jailed": True,
    },
    jail.JailExited: {"jail_id": JAIL, "exit_code": 0, "egress": {"api.example.org:443": 3}},
    jail.JailKilled: {"jail_id": JAIL, "reason": "cancelled"},
    jail.EgressDenied: {"jail_id": JAIL, "host": "example.net", "port": 443},
    session.SessionOpened: {
        "session_id": SESSION,
        "user_id": USER,
        "workspace_id": WORKSPACE,
        "provider": "codex",
        "client_session_id": "Ada's conversation",
        "origin": "named",
        "caller": KEY,
    },
    session.TurnRequested: {
        "session_id": SESSION,
        "turn_id": TURN,
        "user_id": USER,
        "workspace_id": WORKSPACE,
        "request_id": REQUEST,
        "key_id": KEY,
        "provider": "codex",
        "model": "gpt-5-codex",
        "origin": "named",
        "caller": KEY,
        "chat": "c" * 32,
        "system": "a" * 32,
        "thread": THREAD,
        "fork": thread.Branch(
            session_id="ses_0", turn_id="trn_0", backend_id="backend-0", mark="mark-0"
        ),
        "elsewhere": (thread.Elsewhere(provider="gemini", thread=THREAD),),
        "heard": THREAD,
        "dirty": False,
        "idempotency": "idempotency/ffff",
        "prompt": "Fix Ada's engine",
        "prompt_payload": PAYLOAD,
        "instructions": "Ada wants it brief",
    },
    session.TurnStarted: {
        "session_id": SESSION,
        "turn_id": TURN,
        "user_id": USER,
        "thread": "new",
        "baseline": "1" * 40,
        "account_chosen": CHOSEN,
        "leases": (f"lease/account/{ACCOUNT}/0", f"lease/user/{USER}/0"),
        "until": SOON,
        "jailed": True,
    },
    session.BackendBound: {
        "session_id": SESSION,
        "turn_id": TURN,
        "backend_id": "backend-1",
        "heard": THREAD,
    },
    session.AccountChanged: {
        "session_id": SESSION,
        "turn_id": TURN,
        "before": "acc_0",
        "cause": "rate_limited",
        "account_chosen": CHOSEN,
        "leases": (f"lease/user/{USER}/0", f"lease/account/{ACCOUNT}/0"),
    },
    session.TurnRetried: {"session_id": SESSION, "turn_id": TURN, "cause": "crashed"},
    session.HistoryDiverged: {
        "session_id": SESSION,
        "turn_id": TURN,
        "recorded": 4,
        "offered": 2,
    },
    session.TurnCompleted: {
        "session_id": SESSION,
        "turn_id": TURN,
        "user_id": USER,
        "end": END,
        "answer": "Ada's engine is fixed",
        "answer_payload": PAYLOAD,
    },
    session.TurnFailed: {
        "session_id": SESSION,
        "turn_id": TURN,
        "user_id": USER,
        "code": "agent_failed",
        "cause": "crashed",
        "end": END,
        "retry_after": 1.5,
        "message": "the agent lost Ada's file",
        "answer": "Ada, I was about to",
    },
    session.TurnCancelled: {
        "session_id": SESSION,
        "turn_id": TURN,
        "user_id": USER,
        "cause": "requested",
        "end": END,
        "answer": "Ada, I had begun",
    },
    session.SessionReset: {"session_id": SESSION},
    session.SessionExpired: {"session_id": SESSION},
    loss.SessionSetBack: {"session_id": SESSION},
    workspace.WorkspaceProvisioned: {
        "workspace_id": WORKSPACE,
        "user_id": USER,
        "label": "Ada's notes",
        "folder": "/srv/Ada/notes",
    },
    workspace.WorkspaceLocked: {
        "workspace_id": WORKSPACE,
        "holder": workspace.Holder(kind="turn", id=TURN),
        "session_id": SESSION,
        "user_id": USER,
        "until": SOON,
        "label": "Ada's notes",
        "folder": "/srv/Ada/notes",
    },
    workspace.WorkspaceRepaired: {
        "workspace_id": WORKSPACE,
        "user_id": USER,
        "folders": 2,
        "files": 5,
        "left": 1,
        "partial": False,
    },
    workspace.WorkspaceUnlocked: {
        "workspace_id": WORKSPACE,
        "holder": workspace.Holder(kind="turn", id=TURN),
    },
    workspace.DiffRecorded: {
        "workspace_id": WORKSPACE,
        "turn_id": TURN,
        "user_id": USER,
        "base": "1" * 40,
        "final": "2" * 40,
        "changed": 1,
        "added_lines": 3,
        "deleted_lines": 1,
        "truncated": False,
        "files": (CHANGE,),
        "patch": "--- a/Ada\n+++ b/Ada\n",
        "patch_payload": PAYLOAD,
    },
    workspace.ThreadsRemoved: {
        "workspace_id": WORKSPACE,
        "provider": "codex",
        "threads": ("backend-1", "backend-2"),
        "reason": "ended",
    },
}


def example(event_class: type[Event], **changes: Any) -> Any:
    """The ready example of that class, with the named fields changed."""
    return event_class(**{**EXAMPLES[event_class], **changes})


def recorded(
    event: Event, *, position: int = 1, stream: str = "log", version: int = 1, **envelope: Any
) -> Recorded:
    """The event as the log would hand it out; `envelope` changes fields of its metadata."""
    return Recorded(
        position=position,
        stream=stream,
        version=version,
        event=event,
        metadata=metadata(**{"event_id": f"evt_{position}", **envelope}),
    )


def metadata(**changes: Any) -> Metadata:
    """A ready envelope."""
    ready = Metadata(event_id="evt_1", at=NOW, actor=f"user:{USER}", correlation_id="trc_1")
    return attrs.evolve(ready, **changes)


log_opened = partial(example, gateway.LogOpened)
log_vault_noted = partial(example, gateway.LogVaultNoted)
log_restored = partial(example, loss.LogRestored)
folders_missing = partial(example, gateway.GatewayFoldersMissing)
gateway_started = partial(example, gateway.GatewayStarted)
gateway_recovered = partial(example, gateway.GatewayRecovered)
gateway_stopped = partial(example, gateway.GatewayStopped)

user_provisioned = partial(example, user.UserProvisioned)
user_updated = partial(example, user.UserUpdated)
user_suspended = partial(example, user.Suspended)
user_restored = partial(example, user.UserRestored)
user_deleted = partial(example, user.UserDeleted)
key_issued = partial(example, key.KeyIssued)
key_revoked = partial(example, key.KeyRevoked)

account_registered = partial(example, account.AccountRegistered)
credential_stored = partial(example, account.CredentialStored)
token_refreshed = partial(example, account.TokenRefreshed)
health_changed = partial(example, account.HealthChanged)
account_removed = partial(example, account.AccountRemoved)
quota_observed = partial(example, account.QuotaObserved)

lease_taken = partial(example, lease.LeaseTaken)
lease_released = partial(example, lease.LeaseReleased)
name_claimed = partial(example, name.NameClaimed)
name_freed = partial(example, name.NameFreed)
idempotency_claimed = partial(example, idempotency.IdempotencyClaimed)
idempotency_freed = partial(example, idempotency.IdempotencyFreed)

request_accepted = partial(example, request.RequestAccepted)
request_refused = partial(example, request.RequestRefused)
request_answered = partial(example, request.RequestAnswered)

operator_logged_in = partial(example, operator.OperatorLoggedIn)
login_refused = partial(example, operator.LoginRefused)
token_revoked = partial(example, operator.TokenRevoked)
token_exchanged = partial(example, operator.TokenExchanged)
token_reused = partial(example, operator.TokenReused)

jail_started = partial(example, jail.JailStarted)
jail_exited = partial(example, jail.JailExited)
jail_killed = partial(example, jail.JailKilled)
egress_denied = partial(example, jail.EgressDenied)

session_opened = partial(example, session.SessionOpened)
turn_requested = partial(example, session.TurnRequested)
turn_started = partial(example, session.TurnStarted)
backend_bound = partial(example, session.BackendBound)
account_changed = partial(example, session.AccountChanged)
turn_retried = partial(example, session.TurnRetried)
history_diverged = partial(example, session.HistoryDiverged)
turn_completed = partial(example, session.TurnCompleted)
turn_failed = partial(example, session.TurnFailed)
turn_cancelled = partial(example, session.TurnCancelled)
session_reset = partial(example, session.SessionReset)
session_expired = partial(example, session.SessionExpired)
session_set_back = partial(example, loss.SessionSetBack)

workspace_provisioned = partial(example, workspace.WorkspaceProvisioned)
workspace_locked = partial(example, workspace.WorkspaceLocked)
workspace_unlocked = partial(example, workspace.WorkspaceUnlocked)
diff_recorded = partial(example, workspace.DiffRecorded)
threads_removed = partial(example, workspace.ThreadsRemoved)
