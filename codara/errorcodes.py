"""Every error by its code, to read one back from the log or from an answer."""

from collections.abc import Mapping

from codara import errors
from codara.errors import CodaraError

BY_CODE: Mapping[str, type[CodaraError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidRequest,
        errors.UnsupportedParameter,
        errors.ContextLengthExceeded,
        errors.BodyTooLarge,
        errors.InvalidApiKey,
        errors.UserSuspended,
        errors.WorkspaceAccessDenied,
        errors.NotFound,
        errors.ModelNotFound,
        errors.MethodNotAllowed,
        errors.SessionBusy,
        errors.WorkspaceBusy,
        errors.Conflict,
        errors.IdempotencyConflict,
        errors.RateLimited,
        errors.BudgetExhausted,
        errors.ConcurrencyLimit,
        errors.AllAccountsCooling,
        errors.Overloaded,
        errors.AgentFailed,
        errors.AgentAuthFailed,
        errors.AgentStalled,
        errors.AgentOverloaded,
        errors.AgentMissing,
        errors.ProviderUnreachable,
        errors.TurnTimeout,
        errors.NoAccount,
        errors.AccountRefused,
        errors.NoFreeAccount,
        errors.JailUnavailable,
        errors.StorageFull,
        errors.StorageFailed,
        errors.ShuttingDown,
        errors.Internal,
        errors.ClientClosedRequest,
        errors.TaskCancelled,
        errors.ConfigInvalid,
        errors.LogLocked,
        errors.LogDamaged,
        errors.DataMismatch,
        errors.MasterKeyInvalid,
        errors.AddressInUse,
    )
}
