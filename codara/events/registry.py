"""The catalogue: every class of event, found by its stored name."""

from collections.abc import Iterable

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
    user,
    workspace,
)
from codara.events.base import Event

CATALOGUE: tuple[type[Event], ...] = (
    gateway.LogOpened,
    gateway.LogVaultNoted,
    loss.LogRestored,
    gateway.GatewayStarted,
    gateway.GatewayRecovered,
    gateway.GatewayFoldersMissing,
    gateway.GatewayStopped,
    user.UserProvisioned,
    user.UserUpdated,
    user.Suspended,
    user.UserRestored,
    user.UserDeleted,
    key.KeyIssued,
    key.KeyRevoked,
    account.AccountRegistered,
    account.CredentialStored,
    account.TokenRefreshed,
    account.HealthChanged,
    account.AccountRemoved,
    account.QuotaObserved,
    lease.LeaseTaken,
    lease.LeaseReleased,
    name.NameClaimed,
    name.NameFreed,
    idempotency.IdempotencyClaimed,
    idempotency.IdempotencyFreed,
    request.RequestAccepted,
    request.RequestRefused,
    request.RequestAnswered,
    operator.OperatorLoggedIn,
    operator.LoginRefused,
    operator.TokenRevoked,
    operator.TokenExchanged,
    operator.TokenReused,
    jail.JailStarted,
    jail.JailExited,
    jail.JailKilled,
    jail.EgressDenied,
    session.SessionOpened,
    session.TurnRequested,
    session.TurnStarted,
    session.BackendBound,
    session.AccountChanged,
    session.TurnRetried,
    session.HistoryDiverged,
    session.TurnCompleted,
    session.TurnFailed,
    session.TurnCancelled,
    session.SessionReset,
    session.SessionExpired,
    loss.SessionSetBack,
    workspace.WorkspaceProvisioned,
    workspace.WorkspaceLocked,
    workspace.WorkspaceRepaired,
    workspace.WorkspaceUnlocked,
    workspace.DiffRecorded,
    workspace.ThreadsRemoved,
)


def by_name(classes: Iterable[type[Event]] = CATALOGUE) -> dict[str, type[Event]]:
    """Maps each stored name to its class; ValueError if two classes have one name."""
    names: dict[str, type[Event]] = {}
    for event_class in classes:
        if event_class.name in names:
            raise ValueError(f"two events are stored as {event_class.name}")
        names[event_class.name] = event_class
    return names
