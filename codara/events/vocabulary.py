"""The words that facts, decisions and answers share, each kind a closed set.

A log may also hold words that only earlier versions wrote; they are read as they stand there.
"""

from typing import Literal

TaskStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
"""Tells how far a task has come (users call a turn a task); the last three words are ends."""

SessionStatus = Literal["idle", "active", "dirty", "expired"]
"""Tells what the next turn of a session meets; `dirty`: its last turn did not end well."""

SessionOrigin = Literal["named", "reference", "found", "new", "forked", "aside"]
"""Tells how a session's first turn came to it."""

ThreadKind = Literal["new", "resumed", "forked", "fresh"]
"""Tells which thread a turn works with; `fresh`: a new one in place of an earlier one."""

WaitedFor = Literal["workspace", "user_limit", "gateway"]
"""Tells what a turn waits for before it is admitted."""

FinishReason = Literal["stop", "length", "content_filter"]
"""Tells why an answer ended; all but `stop` say that the provider cut it."""

FailureCause = Literal[
    "auth_failed",
    "quota_exhausted",
    "rate_limited",
    "overloaded",
    "unreachable",
    "no_program",
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
    "workspace_file",
    "crashed",
    "protocol",
    "gateway_lost",
]
"""Tells why an agent's work failed; a turn that failed before it has an error's code instead."""

CancelCause = Literal["client_gone", "requested", "shutdown"]
"""Tells who ended a turn early: its client, somebody's order, or the gateway's own end."""

FileStatus = Literal["added", "modified", "deleted", "renamed", "mode_changed", "type_changed"]
"""Tells what a turn did to a file."""

TextEncoding = Literal["utf-8", "other"]
"""Tells whether the text of a file is UTF-8; what else it is, nobody has said."""

SnapshotGap = Literal["missing", "unreadable", "depth", "max_files", "max_bytes", "time"]
"""Tells why a snapshot does not hold the whole workspace."""

AuthType = Literal["API_KEY", "OAUTH_SESSION"]
"""Tells what an account's credential is: a vendor's key, or a login at the vendor."""

AccountStatus = Literal["ready", "cooldown", "exhausted", "expired", "disabled", "error"]
"""Tells whether turns may borrow an account; `cooldown` and `exhausted` end by themselves."""

AccountStanding = AccountStatus | Literal["removed"]
"""Tells the same; `removed` is said of an account that is not registered, or no longer."""

PassedOver = Literal["tried", "no_free_lease"]
"""Tells why an account was not lent to a turn, where no status and no failure of it tells that.

`tried`: the turn had run on it before. `no_free_lease`: it ran as many turns as it may.
"""

HealthCause = Literal[
    "auth_failed", "quota_exhausted", "rate_limited", "credential_updated", "operator"
]
"""Tells why an account's status changed."""

UserStatus = Literal["active", "suspended", "deleted"]
"""Tells whether a user's keys open anything."""

UserRole = Literal["user", "admin"]
"""Tells what a user is; operators' turns run as the one user who is `admin`."""

KeyStatus = Literal["active", "expired", "revoked"]
"""Tells whether an API key opens anything."""

HolderKind = Literal["turn", "shell", "rewind", "upload", "repair"]
"""Tells what holds a workspace; nothing else works in it meanwhile."""

Loss = Literal["log_shorter", "log_other", "vault_older"]
"""Tells what has gone back: the log ends before, or goes another way than, what the vault has seen
of it; or the vault has been changed less often than the log has noted."""
