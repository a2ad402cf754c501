"""Given what happened in some streams, when a decision, then facts: said in as few words."""

from collections.abc import Mapping, Sequence
from typing import Any

from codara.domain.aggregates import of_stream
from codara.domain.decisions import Facts
from codara.events import streams
from codara.events.base import Event
from tests import given

History = Mapping[str, Sequence[Event]]

SESSION = streams.session(given.SESSION)
WORKSPACE = streams.workspace(given.WORKSPACE)
ACCOUNT = streams.account(given.ACCOUNT)
QUOTA = streams.quota(given.ACCOUNT)
REQUEST = streams.request(given.REQUEST)
USER_LEASE = streams.lease("user", given.USER, 0)
ACCOUNT_LEASE = streams.lease("account", given.ACCOUNT, 0)
KEY = "idempotency/ffff"

OTHER_TURN = "trn_2"
OTHER_HOLDER = given.turn_holder(OTHER_TURN)

REQUESTED: History = {
    SESSION: [given.session_opened(), given.turn_requested()],
    WORKSPACE: [given.workspace_provisioned()],
    ACCOUNT: [given.account_registered(), given.credential_stored()],
    KEY: [given.idempotency_claimed()],
}
"""A turn that waits for its start."""

RUNNING: History = {
    **REQUESTED,
    SESSION: [*REQUESTED[SESSION], given.turn_started()],
    WORKSPACE: [*REQUESTED[WORKSPACE], given.workspace_locked()],
    USER_LEASE: [given.lease_taken(kind="user", owner=given.USER)],
    ACCOUNT_LEASE: [given.lease_taken()],
}
"""The same turn at work."""

ENDED: History = {
    **RUNNING,
    SESSION: [*RUNNING[SESSION], given.turn_completed()],
    WORKSPACE: [*RUNNING[WORKSPACE], given.diff_recorded(), given.workspace_unlocked()],
    USER_LEASE: [*RUNNING[USER_LEASE], given.lease_released()],
    ACCOUNT_LEASE: [*RUNNING[ACCOUNT_LEASE], given.lease_released()],
}
"""The same turn when all is over."""


def folded(stream: str, events: Sequence[Event]) -> Any:
    """The state of that stream."""
    aggregate = of_stream(stream)
    state = aggregate.empty
    for event in events:
        state = aggregate.evolve(state, event)
    return state


def states(history: History, named: Sequence[str]) -> dict[str, Any]:
    """What a decision is given that names these streams: no other one, and nothing is empty."""
    return {stream: folded(stream, history.get(stream, ())) for stream in named}


def and_then(history: History, more: History) -> History:
    """The history with more events behind those that are there."""
    return {**history, **{at: [*history.get(at, ()), *events] for at, events in more.items()}}


def said(facts: Facts) -> Facts:
    """The facts without the streams of which nothing is said: what the log is given."""
    return {stream: events for stream, events in facts.items() if events}
