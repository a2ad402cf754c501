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
│                              AgentMissing, ProviderUnreachable, TurnTimeout
├── the gateway                NoAccount, AccountRefused, NoFreeAccount, JailUnavailable,
│                              StorageFull, StorageFailed, ShuttingDown, Internal
├── the turn ended early       ClientClosedRequest, TaskCancelled
└── at start, for the operator ConfigInvalid, LogLocked, LogDamaged, DataMismatch,
                               MasterKeyInvalid, AddressInUse

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
    work twice, or could only fail again. `cause` is a `FailureCause`: why an agent failed. `detail`
    is what operators see beside the message: the words of an agent or a vendor, which callers never
    get.
    """

    code: ClassVar[str] = "internal"

    def __init_subclass__(cls, *, code: str | None = None) -> None:
        """Gives a kind of error its code; without one it has that of the kind above."""
        super().__init_subclass__()
        if code is not None:
            cls.code = code

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        retry_safe: bool = True,
        cause: str | None = None,
        detail: str = "",
    ) -> None:
        self.message = _beginning(message)
        super().__init__(self.message)
        self.param = param
        self.retry_after = retry_after
        self.retry_safe = retry_safe
        self.cause = cause
        self.detail = _beginning(detail)


class InvalidRequest(CodaraError, code="invalid_request"):
    """A field is missing, of the wrong type or out of range."""


class UnsupportedParameter(CodaraError, code="unsupported_parameter"):
    """The field is one of OpenAI's that no agent runtime can honour."""


class ContextLengthExceeded(CodaraError, code="context_length_exceeded"):
    """The conversation does not fit the model's context window."""


class BodyTooLarge(CodaraError, code="body_too_large"):
    """The request's body is larger than `server.max_body_bytes`."""


class InvalidApiKey(CodaraError, code="invalid_api_key"):
    """The key is missing, unknown, revoked, expired, or not one for this part of the API."""


class UserSuspended(CodaraError, code="user_suspended"):
    """The user behind the key is suspended or deleted."""


class WorkspaceAccessDenied(CodaraError, code="workspace_access_denied"):
    """The folder is outside the workspaces' root, or is not a workspace."""


class NotFound(CodaraError, code="not_found"):
    """What was asked for does not exist, or belongs to another user."""


class ModelNotFound(CodaraError, code="model_not_found"):
    """The agent's provider does not know the model."""


class MethodNotAllowed(CodaraError, code="method_not_allowed"):
    """The path exists, but not with this method."""


class SessionBusy(CodaraError, code="session_busy"):
    """Another turn of the same session is running."""


class WorkspaceBusy(CodaraError, code="workspace_busy"):
    """Something else held the workspace until the queue's time-out."""


class Conflict(CodaraError, code="conflict"):
    """What was to be made exists already, or what was asked does not fit the present state."""


class IdempotencyConflict(CodaraError, code="idempotency_conflict"):
    """The idempotency key was used before with another body."""


class RateLimited(CodaraError, code="rate_limited"):
    """The caller sends requests more often than allowed."""


class BudgetExhausted(CodaraError, code="budget_exhausted"):
    """The caller's budget is spent."""


class ConcurrencyLimit(CodaraError, code="concurrency_limit"):
    """The user runs as many turns at once as allowed."""


class AllAccountsCooling(CodaraError, code="all_accounts_cooling"):
    """Every account of the provider waits for its quota or rate limit to come back."""


class Overloaded(CodaraError, code="overloaded"):
    """The gateway's queue is full, or no process became free in time."""


class AgentFailed(CodaraError, code="agent_failed"):
    """The agent ended without a usable answer; `cause` says why."""


class AgentAuthFailed(CodaraError, code="agent_auth_failed"):
    """The provider refused the account's credential."""


class AgentStalled(CodaraError, code="agent_stalled"):
    """The agent made no progress for `stall_timeout_seconds`."""


class AgentOverloaded(CodaraError, code="agent_overloaded"):
    """The agent's provider is overloaded."""


class TurnTimeout(CodaraError, code="turn_timeout"):
    """The turn ran for longer than `turn_timeout_seconds`."""


class AgentMissing(AgentFailed, code="agent_missing"):
    """The agent's program is not installed here."""


class ProviderUnreachable(CodaraError, code="provider_unreachable"):
    """The gateway does not reach the agent's provider; the message names the host and why."""


class NoAccount(CodaraError, code="no_account"):
    """No account of the provider is registered."""


class AccountRefused(CodaraError, code="account_refused"):
    """No account of the provider can be used until an operator has done something."""


class NoFreeAccount(CodaraError, code="no_free_account"):
    """Every ready account runs as many turns as it may."""


class JailUnavailable(CodaraError, code="jail_unavailable"):
    """No jail can be made on this machine; the message names the reason and the remedy."""


class StorageFull(CodaraError, code="storage_full"):
    """The disk that holds the log has no room. Reading goes on; writing waits for room."""


class StorageFailed(CodaraError, code="storage_failed"):
    """The disk that holds the log fails: nothing is written until the log's files were checked."""


class ShuttingDown(CodaraError, code="shutting_down"):
    """The gateway is stopping."""


class Internal(CodaraError, code="internal"):
    """A defect of the gateway; the details are in the operator's log."""


class ClientClosedRequest(CodaraError, code="client_closed_request"):
    """The last client that listened left before the turn ended."""


class TaskCancelled(CodaraError, code="task_cancelled"):
    """The user or an operator cancelled the turn."""


class ConfigInvalid(CodaraError, code="config_invalid"):
    """The configuration has an unknown key, a wrong type or an impossible value."""


class LogLocked(CodaraError, code="log_locked"):
    """Another process has opened the log of this data folder."""


class LogDamaged(CodaraError, code="log_damaged"):
    """The log, the vault or a view cannot be read."""


class DataMismatch(CodaraError, code="data_mismatch"):
    """Log, vault or a folder is missing, empty, older, or of another installation."""


class MasterKeyInvalid(CodaraError, code="master_key_invalid"):
    """The master key is not base64 of exactly 32 bytes, or is not the one of the vault."""


class AddressInUse(CodaraError, code="address_in_use"):
    """Another program listens on the gateway's address."""
