"""Which aggregate a stream belongs to; the first part of the stream's name tells."""

from collections.abc import Callable
from typing import Any

import attrs

from codara.domain import (
    account,
    idempotency,
    key,
    lease,
    login,
    name,
    operator,
    quota,
    session,
    user,
    workspace,
)
from codara.events.base import Event


@attrs.frozen(kw_only=True)
class Aggregate:
    """How the events of a stream become a state.

    A `closing` event carries all that came before it, so that folding can begin there.
    """

    empty: Any
    evolve: Callable[[Any, Event], Any]
    closing: frozenset[str] = frozenset()
    last_only: bool = False
    """Whether the state follows from the last event of the stream alone."""


@attrs.frozen
class Trail:
    """The state of a stream that is written but never asked."""


def _ignore(state: Trail, _event: Event) -> Trail:
    return state


_TRAIL = Aggregate(empty=Trail(), evolve=_ignore, last_only=True)

AGGREGATES: dict[str, Aggregate] = {
    "session": Aggregate(empty=session.EMPTY, evolve=session.evolve, closing=session.CLOSING),
    "workspace": Aggregate(
        empty=workspace.EMPTY, evolve=workspace.evolve, closing=workspace.CLOSING
    ),
    "account": Aggregate(empty=account.EMPTY, evolve=account.evolve),
    "user": Aggregate(empty=user.EMPTY, evolve=user.evolve),
    "key": Aggregate(empty=key.EMPTY, evolve=key.evolve),
    "name": Aggregate(empty=name.EMPTY, evolve=name.evolve, last_only=True),
    "lease": Aggregate(empty=lease.EMPTY, evolve=lease.evolve, last_only=True),
    "idempotency": Aggregate(empty=idempotency.EMPTY, evolve=idempotency.evolve, last_only=True),
    "operator": Aggregate(empty=operator.EMPTY, evolve=operator.evolve, closing=operator.CLOSING),
    "token": Aggregate(empty=login.EMPTY, evolve=login.evolve, last_only=True),
    "quota": Aggregate(empty=quota.EMPTY, evolve=quota.evolve, last_only=True),
    "request": _TRAIL,
    "gateway": _TRAIL,
    "jail": _TRAIL,
    "log": _TRAIL,
}


def of_stream(stream: str) -> Aggregate:
    """Returns the aggregate of a stream; KeyError if no aggregate has streams of that kind."""
    return AGGREGATES[stream.partition("/")[0]]
