"""Given what happened in some streams, when a decision, then facts: said in as few words."""

from collections.abc import Mapping, Sequence
from typing import Any

from codara.domain.aggregates import of_stream
from codara.domain.decisions import Facts
from codara.events import streams
from codara.events.base import Event
from tests import event_examples

History = Mapping[str, Sequence[Event]]

SESSION = streams.session(event_examples.SESSION)
WORKSPACE = streams.workspace(event_examples.WORKSPACE)
ACCOUNT = streams.account(event_examples.ACCOUNT)
QUOTA = streams.quota(event_examples.ACCOUNT)
REQUEST = streams.request(event_examples.REQUEST)
USER_LEASE = streams.lease("user", event_examples.USER, 0)
ACCOUNT_LEASE = streams.lease("account", event_examples.ACCOUNT, 0)
KEY = "idempotency/ffff"

OTHER_TURN = "trn_2"
OTHER_HOLDER = event_examples.turn_holder(OTHER_TURN)

REQUESTED: History = {
    SESSION: [event_examples.session_opened(), event_examples.turn_requested()],
    WORKSPACE: [event_examples.workspace_provisioned()],
    ACCOUNT: [event_examples.account_registered(), event_examples.credential_stored()],
    KEY: [event_examples.idempotency_claimed()],
}
"""A turn that waits for its start."""

RUNNING: History = {
    **REQUESTED,
    SESSION: [*REQUESTED[SESSION], event_examples.turn_started()],
    WORKSPACE: [*REQUESTED[WORKSPACE], event_examples.workspace_locked()],
    USER_LEASE: [event_examples.lease_taken(kind="user", owner=event_examples.USER)],
    ACCOUNT_LEASE: [event_examples.lease_taken()],
}
"""The same turn at work."""

ENDED: History = {
    **RUNNING,
    SESSION: [*RUNNING[SESSION], event_examples.turn_completed()],
    WORKSPACE: [
        *RUNNING[WORKSPACE],
        event_examples.diff_recorded(),
        event_examples.workspace_unlocked(),
    ],
    USER_LEASE: [*RUNNING[USER_LEASE], event_examples.lease_released()],
    ACCOUNT_LEASE: [*RUNNING[ACCOUNT_LEASE], event_examples.lease_released()],
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
