"""An account: a credential of one provider, and whether a turn may borrow it."""

from datetime import datetime

import attrs

from codara.errors import Conflict, NotFound
from codara.events.account import (
    AccountRegistered,
    AccountRemoved,
    CredentialStored,
    HealthChanged,
)
from codara.events.base import Event
from codara.events.vocabulary import AccountStanding, AccountStatus, AuthType

READY: AccountStatus = "ready"
COOLDOWN: AccountStatus = "cooldown"
EXHAUSTED: AccountStatus = "exhausted"
EXPIRED: AccountStatus = "expired"
DISABLED: AccountStatus = "disabled"
ERROR: AccountStatus = "error"
REMOVED: AccountStanding = "removed"

PASSING = frozenset({COOLDOWN, EXHAUSTED})
"""The statuses that end by themselves, at `until`."""
_BROKEN = frozenset({EXPIRED, DISABLED, ERROR})


@attrs.frozen(kw_only=True)
class Account:
    """The folded state of an account.

    `status` is the last one recorded, which may have ended since: ask `standing` for the present
    one.
    """

    account_id: str = ""
    provider: str = ""
    auth_type: str = ""
    label: str = ""
    fingerprint: str = ""
    sameness: str = ""
    """See `CredentialStored`."""
    status: AccountStanding = REMOVED
    cause: str = ""
    until: datetime | None = None

    @property
    def exists(self) -> bool:
        return self.status != REMOVED


EMPTY = Account()


def evolve(state: Account, event: Event) -> Account:
    """Returns the state after one more event."""
    match event:
        case AccountRegistered():
            return attrs.evolve(
                state,
                account_id=event.account_id,
                provider=event.provider,
                auth_type=event.auth_type,
                label=event.label,
                status=state.status if state.exists else READY,
            )
        case CredentialStored():
            return attrs.evolve(state, fingerprint=event.fingerprint, sameness=event.sameness)
        case HealthChanged():
            return attrs.evolve(state, status=event.after, cause=event.cause, until=event.until)
        case AccountRemoved():
            return EMPTY
        case _:
            return state


def standing(state: Account, now: datetime) -> AccountStanding:
    """Returns the account's status at `now`: a passing one is over once its `until` has come.

    `removed` for an account that is not registered, or no longer.
    """
    if state.status in PASSING and state.until is not None and state.until <= now:
        return READY
    return state.status


def register(
    state: Account,
    *,
    account_id: str,
    provider: str,
    auth_type: AuthType,
    label: str,
    fingerprint: str,
    sameness: str,
    now: datetime,
) -> list[Event]:
    """Registers an account, or stores a new credential of one that is registered.

    A broken account is tried again: it is ready, also with the credential that it had. Conflict if
    the id belongs to an account of another provider.
    """
    check_provider(state, account_id=account_id, provider=provider)
    registered = AccountRegistered(
        account_id=account_id, provider=provider, auth_type=auth_type, label=label
    )
    stored = CredentialStored(account_id=account_id, fingerprint=fingerprint, sameness=sameness)
    if not state.exists:
        return [registered, stored]
    events: list[Event] = []
    if (auth_type, label) != (state.auth_type, state.label):
        events.append(registered)
    if (fingerprint, sameness) != (state.fingerprint, state.sameness):
        events.append(stored)
    if standing(state, now) in _BROKEN - {DISABLED}:
        cause = "operator" if fingerprint == state.fingerprint else "credential_updated"
        events.append(_health(state, now, after=READY, cause=cause))
    return events


def check_provider(state: Account, *, account_id: str, provider: str) -> None:
    """Raises Conflict if the id belongs to an account of another provider."""
    if state.exists and state.provider != provider:
        raise Conflict(
            f"Account {account_id} is a {state.provider} account. "
            f"Choose another id, or remove it first."
        )


def remove(state: Account, *, account_id: str) -> list[Event]:
    """Removes the account: no turn borrows it again. NotFound if it is not registered."""
    _check_present(state, account_id)
    return [AccountRemoved(account_id=account_id)]


def cool_down(state: Account, *, account_id: str, until: datetime, now: datetime) -> list[Event]:
    """Keeps the account from turns until `until`, as an operator asks.

    NotFound if it is not registered.
    """
    _check_present(state, account_id)
    return [_health(state, now, after=COOLDOWN, cause="operator", until=until)]


def recover(
    state: Account, *, account_id: str, now: datetime, is_full: bool = False
) -> list[Event]:
    """Makes the account ready, whatever was wrong with it, as an operator asks.

    `is_full` tells that a quota window keeps it from turns. Empty if it is ready already; NotFound
    if it is not registered.
    """
    _check_present(state, account_id)
    if state.status == READY and not is_full:
        return []
    recovered = _health(state, now, after=READY, cause="operator")
    return [attrs.evolve(recovered, before=EXHAUSTED) if is_full else recovered]


def change(
    state: Account,
    *,
    after: AccountStatus,
    cause: str,
    until: datetime | None,
    evidence: str,
    now: datetime,
) -> list[Event]:
    """Records what a turn found out about the account; empty if that is not new.

    A passing status neither makes a broken account ready later nor shortens a longer wait.
    """
    before = standing(state, now)
    if before in (REMOVED, DISABLED):
        return []
    if after == before and after not in PASSING:
        return []
    if after in PASSING and (before in _BROKEN or _waits_long_enough(state, before, until)):
        return []
    return [_health(state, now, after=after, cause=cause, until=until, evidence=evidence)]


def _waits_long_enough(state: Account, before: str, until: datetime | None) -> bool:
    if before not in PASSING:
        return False
    return until is None or (state.until is not None and until <= state.until)


def _health(
    state: Account,
    now: datetime,
    *,
    after: AccountStatus,
    cause: str,
    until: datetime | None = None,
    evidence: str = "",
) -> HealthChanged:
    return HealthChanged(
        account_id=state.account_id,
        before=standing(state, now),
        after=after,
        cause=cause,
        until=until,
        evidence=evidence,
    )


def _check_present(state: Account, account_id: str) -> None:
    if not state.exists:
        raise NotFound(f"There is no account {account_id}.")
