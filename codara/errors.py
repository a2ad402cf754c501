"""Every error that a caller may see: one class and one stable code each.

CodaraError
├── the request is wrong       InvalidRequest, UnsupportedParameter, ContextLengthExceeded,
│                              BodyTooLarge
├── the caller may not         InvalidApiKey, UserSuspended, WorkspaceAccessDenied
├── it is not there            NotFound, ModelNotFound, MethodNotAllowed
├── someone else was first     SessionBusy, WorkspaceBusy, Conflict, IdempotencyConflict
├── too much                   RateLimited, BudgetExhausted, ConcurrencyLimit,
│                              AllAccountsCooling, Overloaded
├── the agent                  AgentFailed, AgentAuthFailed, AgentStalled, AgentOverloaded,
│                              TurnTimeout
├── the gateway                NoAccount, NoFreeAccount, JailUnavailable, StorageFull,
│                              StorageFailed, ShuttingDown, Internal
├── the turn ended early       ClientClosedRequest, TaskCancelled
└── at start, for the operator ConfigInvalid, LogLocked, LogDamaged, MasterKeyInvalid, AddressInUse

`VersionClash` is not a CodaraError: it never leaves `codara.application`.
"""

from typing import ClassVar

LONGEST_MESSAGE = 2000
"""The longest message, in bytes of UTF-8: an agent or its provider may say a whole page."""


class VersionClash(Exception):
    """A stream is not at the version that the writer expected: load it and decide again."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"{stream} has moved on")
        self.stream = stream


def _beginning(message: str) -> str:
    data = message.encode(errors="replace")
    if len(data) <= LONGEST_MESSAGE:
        return message
    room = LONGEST_MESSAGE - len("…".encode())
    return data[:room].decode(errors="ignore") + "…"


class CodaraError(Exception):
    """An error with a message for a person: what happened, why, and what to do.

    A message longer than `LONGEST_MESSAGE` is cut to its beginning, in events as in answers.
    `param` names the field of the request that is wrong. `retry_after` is the earliest time at
    which a retry can succeed, in seconds from now. `retry_safe` is false if a retry could do the
    work twice. `cause` is a `FailureCause`: why an agent failed.
    """

    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        retry_safe: bool = True,
        cause: str | None = None,
    ) -> None:
        self.message = _beginning(message)
        super().__init__(self.message)
        self.param = param
        self.retry_after = retry_after
        self.retry_safe = retry_safe
        self.cause = cause


class InvalidRequest(CodaraError):
    """A field is missing, of the wrong type or out of range."""

    code = "invalid_request"


class UnsupportedParameter(CodaraError):
    """The field is one of OpenAI's that no agent runtime can honour."""

    code = "unsupported_parameter"


class ContextLengthExceeded(CodaraError):
    """The conversation does not fit the model's context window."""

    code = "context_length_exceeded"


class BodyTooLarge(CodaraError):
    """The request's body is larger than `server.max_body_bytes`."""

    code = "body_too_large"


class InvalidApiKey(CodaraError):
    """The key is missing, unknown, revoked, expired, or not one for this part of the API."""

    code = "invalid_api_key"


class UserSuspended(CodaraError):
    """The user behind the key is suspended or deleted."""

    code = "user_suspended"


class WorkspaceAccessDenied(CodaraError):
    """The folder is outside the workspaces' root, or is not a workspace."""

    code = "workspace_access_denied"


class NotFound(CodaraError):
    """What was asked for does not exist, or belongs to another user."""

    code = "not_found"


class ModelNotFound(CodaraError):
    """The agent's provider does not know the model."""

    code = "model_not_found"


class MethodNotAllowed(CodaraError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"


class SessionBusy(CodaraError):
    """Another turn of the same session is running."""

    code = "session_busy"


class WorkspaceBusy(CodaraError):
    """Something else held the workspace until the queue's time-out."""

    code = "workspace_busy"


class Conflict(CodaraError):
    """What was to be made exists already, or what was asked does not fit the present state."""

    code = "conflict"


class IdempotencyConflict(CodaraError):
    """The idempotency key was used before with another body."""

    code = "idempotency_conflict"


class RateLimited(CodaraError):
    """The caller sends requests more often than allowed."""

    code = "rate_limited"


class BudgetExhausted(CodaraError):
    """The caller's budget is spent."""

    code = "budget_exhausted"


class ConcurrencyLimit(CodaraError):
    """The user runs as many turns at once as allowed."""

    code = "concurrency_limit"


class AllAccountsCooling(CodaraError):
    """Every account of the provider waits for its quota or rate limit to come back."""

    code = "all_accounts_cooling"


class Overloaded(CodaraError):
    """The gateway's queue is full, or no process became free in time."""

    code = "overloaded"


class AgentFailed(CodaraError):
    """The agent ended without a usable answer; `cause` says why."""

    code = "agent_failed"


class AgentAuthFailed(CodaraError):
    """The provider refused the account's credential."""

    code = "agent_auth_failed"


class AgentStalled(CodaraError):
    """The agent made no progress for `stall_timeout_seconds`."""

    code = "agent_stalled"


class AgentOverloaded(CodaraError):
    """The agent's provider is overloaded."""

    code = "agent_overloaded"


class TurnTimeout(CodaraError):
    """The turn ran for longer than `turn_timeout_seconds`."""

    code = "turn_timeout"


class NoAccount(CodaraError):
    """No account of the provider is registered."""

    code = "no_account"


class NoFreeAccount(CodaraError):
    """Every ready account runs as many turns as it may."""

    code = "no_free_account"


class JailUnavailable(CodaraError):
    """No jail can be made on this machine; the message names the reason and the remedy."""

    code = "jail_unavailable"


class StorageFull(CodaraError):
    """The disk that holds the log has no room. Reading goes on; writing waits for room."""

    code = "storage_full"


class StorageFailed(CodaraError):
    """The disk that holds the log fails: nothing is written until the log's files were checked."""

    code = "storage_failed"


class ShuttingDown(CodaraError):
    """The gateway is stopping."""

    code = "shutting_down"


class Internal(CodaraError):
    """A defect of the gateway; the details are in the operator's log."""

    code = "internal"


class ClientClosedRequest(CodaraError):
    """The last client that listened left before the turn ended."""

    code = "client_closed_request"


class TaskCancelled(CodaraError):
    """The user or an operator cancelled the turn."""

    code = "task_cancelled"


class ConfigInvalid(CodaraError):
    """The configuration has an unknown key, a wrong type or an impossible value."""

    code = "config_invalid"


class LogLocked(CodaraError):
    """Another process has opened the log of this data folder."""

    code = "log_locked"


class LogDamaged(CodaraError):
    """The log, the vault or a view cannot be read."""

    code = "log_damaged"


class MasterKeyInvalid(CodaraError):
    """The master key is not base64 of exactly 32 bytes, or is not the one of the vault."""

    code = "master_key_invalid"


class AddressInUse(CodaraError):
    """Another program listens on the gateway's address."""

    code = "address_in_use"
