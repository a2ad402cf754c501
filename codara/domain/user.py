"""A user: whether their requests are admitted, and how many turns they may run at once."""

import attrs

from codara.errors import Conflict, InvalidRequest, NotFound, UserSuspended
from codara.events.base import Event
from codara.events.user import Suspended, UserDeleted, UserProvisioned, UserRestored, UserUpdated
from codara.events.vocabulary import UserRole, UserStatus

ACTIVE: UserStatus = "active"
SUSPENDED: UserStatus = "suspended"
DELETED: UserStatus = "deleted"
ADMIN: UserRole = "admin"
MOST_TURNS = 1_000
_LONGEST_EMAIL = 254


@attrs.frozen(kw_only=True)
class User:
    """The folded state of a user.

    `email` and `display_name` are None once the user's data key is destroyed.
    """

    user_id: str = ""
    status: str = ""
    role: str = ""
    max_concurrency: int = 0
    email: str | None = None
    display_name: str | None = None

    @property
    def exists(self) -> bool:
        return bool(self.user_id)


EMPTY = User()


def evolve(state: User, event: Event) -> User:
    """Returns the state after one more event."""
    match event:
        case UserProvisioned():
            return User(
                user_id=event.user_id,
                status=ACTIVE,
                role=event.role,
                max_concurrency=event.max_concurrency,
                email=event.email,
                display_name=event.display_name,
            )
        case UserUpdated():
            return attrs.evolve(
                state, max_concurrency=event.max_concurrency, display_name=event.display_name
            )
        case Suspended():
            return attrs.evolve(state, status=SUSPENDED)
        case UserRestored():
            return attrs.evolve(state, status=ACTIVE)
        case UserDeleted():
            return attrs.evolve(state, status=DELETED)
        case _:
            return state


def normal_email(text: str) -> str:
    """Returns the address in the form in which it is compared; InvalidRequest if it is not one."""
    email = text.strip().casefold()
    local, at, domain = email.rpartition("@")
    visible = email.isprintable() and not any(char.isspace() for char in email)
    if not (local and at and domain and visible and len(email) <= _LONGEST_EMAIL):
        raise InvalidRequest("This is no e-mail address.", param="email")
    return email


def provision(
    state: User,
    *,
    user_id: str,
    email: str,
    display_name: str,
    max_concurrency: int,
    role: UserRole,
) -> list[Event]:
    """Makes a new user; InvalidRequest for a limit out of range, Conflict if the user exists."""
    if state.exists:
        raise Conflict(f"User {user_id} exists already.")
    _check_limit(max_concurrency)
    return [
        UserProvisioned(
            user_id=user_id,
            max_concurrency=max_concurrency,
            role=role,
            email=email,
            display_name=display_name,
        )
    ]


def update(
    state: User, *, user_id: str, display_name: str | None, max_concurrency: int | None
) -> list[Event]:
    """Changes what is given (None: it stays); empty if nothing changes.

    NotFound for an unknown user, Conflict for a deleted one, InvalidRequest for a limit out of
    range.
    """
    check_present(state, user_id=user_id)
    if max_concurrency is not None:
        _check_limit(max_concurrency)
    limit = state.max_concurrency if max_concurrency is None else max_concurrency
    shown = (state.display_name or "") if display_name is None else display_name
    if limit == state.max_concurrency and shown == state.display_name:
        return []
    return [UserUpdated(user_id=user_id, max_concurrency=limit, display_name=shown)]


def suspend(state: User, *, user_id: str) -> list[Event]:
    """Suspends the user: no key of theirs works until they are restored. Conflict for the admin."""
    check_present(state, user_id=user_id)
    _check_no_admin(state)
    return [] if state.status == SUSPENDED else [Suspended(user_id=user_id)]


def restore(state: User, *, user_id: str) -> list[Event]:
    """Makes a suspended user active again; Conflict for a deleted one, who stays deleted."""
    check_present(state, user_id=user_id)
    return [] if state.status == ACTIVE else [UserRestored(user_id=user_id)]


def delete(state: User, *, user_id: str) -> list[Event]:
    """Ends the user for good; empty if that was done already. Conflict for the admin."""
    if not state.exists:
        raise _unknown(user_id)
    _check_no_admin(state)
    return [] if state.status == DELETED else [UserDeleted(user_id=user_id)]


def admit(state: User) -> None:
    """Raises UserSuspended unless the user is active."""
    if state.status == SUSPENDED:
        raise UserSuspended("This user is suspended. An operator can restore it.")
    if state.status != ACTIVE:
        raise UserSuspended("This user was deleted.")


def check_present(state: User, *, user_id: str) -> None:
    """Raises NotFound for an unknown user, Conflict for a deleted one."""
    if not state.exists:
        raise _unknown(user_id)
    if state.status == DELETED:
        raise Conflict(f"User {user_id} was deleted.")


def _check_no_admin(state: User) -> None:
    if state.role == ADMIN:
        raise Conflict("Operators' turns run as the Dashboard Admin: it stays.")


def _check_limit(max_concurrency: int) -> None:
    if not 1 <= max_concurrency <= MOST_TURNS:
        raise InvalidRequest(
            f"max_concurrency is a number from 1 to {MOST_TURNS}, not {max_concurrency}.",
            param="max_concurrency",
        )


def _unknown(user_id: str) -> NotFound:
    return NotFound(f"There is no user {user_id}.")
