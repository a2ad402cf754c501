"""The words that facts, decisions and answers share: of each kind a closed set."""

from typing import Literal

TaskStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
"""Tells how far a task, which is what users call a turn, has come; the last three are ends."""

SessionStatus = Literal["idle", "active", "dirty", "expired"]
"""Tells what the next turn of a session meets; `dirty`: what a turn that went wrong left behind."""

SessionOrigin = Literal["named", "reference", "found", "new", "forked", "aside"]
"""Tells how a session's first turn came to it."""

ThreadKind = Literal["new", "resumed", "forked", "fresh"]
"""Tells which thread a turn goes on with; `fresh`: a new one where an earlier one had been."""

WaitedFor = Literal["session", "workspace", "user_limit", "gateway"]
"""Tells what a turn waits for before it is admitted."""

FinishReason = Literal["stop", "length", "content_filter"]
"""Tells why an answer ended; all but `stop` say that the provider cut it."""

FailureCause = Literal[
    "auth_failed",
    "quota_exhausted",
    "rate_limited",
    "overloaded",
    "context_full",
    "unknown_model",
    "unknown_session",
    "cut_stream",
    "length",
    "content_filter",
    "stalled",
    "timeout",
    "killed",
    "no_process",
    "account_gone",
    "jail",
    "workspace_gone",
    "crashed",
    "protocol",
    "gateway_lost",
]
"""Tells why an agent's work failed; a turn that failed before it has an error's code instead."""

CancelCause = Literal["client_gone", "requested", "shutdown"]
"""Tells who ended a turn early: its client, somebody's order, or the gateway's own end."""

FileStatus = Literal["added", "modified", "deleted", "renamed", "mode_changed", "type_changed"]
"""Tells what a turn did to a file."""

SnapshotGap = Literal["missing", "unreadable", "depth", "max_files", "max_bytes", "time"]
"""Tells why a snapshot does not hold the whole workspace."""

AuthType = Literal["API_KEY", "OAUTH_SESSION"]
"""Tells what an account's credential is: a vendor's key, or a login at the vendor."""

AccountStatus = Literal["ready", "cooldown", "exhausted", "expired", "disabled", "error"]
"""Tells whether turns may borrow an account; `cooldown` and `exhausted` end by themselves."""

AccountStanding = AccountStatus | Literal["removed"]
"""Tells the same of an account that may be none, or none any more."""

HealthCause = Literal[
    "auth_failed", "quota_exhausted", "rate_limited", "credential_updated", "operator"
]
"""Tells why an account's status changed."""

UserStatus = Literal["active", "suspended", "deleted"]
"""Tells whether a user's keys open anything."""

UserRole = Literal["user", "admin"]
"""Tells what a user is; `admin` is the one that operators' turns run as."""

KeyStatus = Literal["active", "expired", "revoked"]
"""Tells whether an API key opens anything."""

HolderKind = Literal["turn", "shell", "rewind", "upload"]
"""Tells what works in a workspace while nobody else may."""
