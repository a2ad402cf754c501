"""*Started*: a turn has its locks and its account, and runs."""

from datetime import datetime

import attrs

from codara.domain import lending, routing, session, workspace
from codara.domain.decisions import Facts, States
from codara.domain.lending import Borrowable
from codara.domain.tally import Condition
from codara.errors import ConcurrencyLimit, Conflict
from codara.events import streams
from codara.events.session import BackendBound, TurnStarted, Waited
from codara.events.vocabulary import ThreadKind
from codara.events.workspace import Holder


@attrs.frozen(kw_only=True)
class StartTurn:
    """What the decision needs that a turn runs now."""

    turn_id: str
    session_id: str
    workspace_id: str
    user_id: str
    provider: str
    thread: ThreadKind
    baseline: str
    jailed: bool
    now: datetime
    until: datetime
    floor: float
    user_lease: str | None
    accounts: tuple[Borrowable, ...]
    others: tuple[Condition, ...] = ()
    """The states of accounts that are not looked at."""
    waited: Waited | None = None

    def streams(self) -> list[str]:
        """Returns the streams that the decision reads."""
        return [
            streams.session(self.session_id),
            streams.workspace(self.workspace_id),
            *(streams.account(each.account_id) for each in self.accounts),
            *filter(None, [self.user_lease, *(each.lease for each in self.accounts)]),
        ]


def decide(states: States, ask: StartTurn) -> Facts:
    """Decides *started*: the turn takes its workspace, a slot of its user and one of an account.

    Raises what stands in the way: WorkspaceBusy, ConcurrencyLimit, or the tally's refusal if no
    account can be lent; Conflict if the session does not wait for this turn.
    """
    waiting: session.Session = states[streams.session(ask.session_id)]
    if waiting.turn is None or waiting.turn.turn_id != ask.turn_id or waiting.turn.started:
        raise Conflict("The session does not wait for this task. Try again.")
    user_lease = lending.free(states, ask.user_lease, ask.now)
    if user_lease is None:
        raise ConcurrencyLimit(
            "You run as many tasks at once as you may. Wait for one to end or cancel it.",
            retry_after=1.0,
        )
    offers = [lending.offer(states, each, ask.now) for each in ask.accounts]
    chosen, choice = routing.choose(
        offers, floor=ask.floor, provider=ask.provider, now=ask.now, others=ask.others
    )
    account_lease = chosen.lease or ""
    started = TurnStarted(
        session_id=ask.session_id,
        turn_id=ask.turn_id,
        user_id=ask.user_id,
        thread=ask.thread,
        baseline=ask.baseline,
        account_chosen=choice,
        leases=(user_lease, account_lease),
        until=ask.until,
        jailed=ask.jailed,
        waited=ask.waited,
    )
    workspace_stream = streams.workspace(ask.workspace_id)
    return {
        streams.session(ask.session_id): [started],
        workspace_stream: workspace.lock(
            states[workspace_stream],
            holder=Holder(kind="turn", id=ask.turn_id),
            session_id=ask.session_id,
            now=ask.now,
            until=ask.until,
        ),
        user_lease: [lending.taken(user_lease, turn_id=ask.turn_id, until=ask.until)],
        account_lease: [lending.taken(account_lease, turn_id=ask.turn_id, until=ask.until)],
    }


def bind(states: States, bound: BackendBound) -> Facts:
    """Decides *bound*: the thread has an id; empty if the session waits for another turn by now."""
    stream = streams.session(bound.session_id)
    current: session.Session = states[stream]
    if current.turn is None or current.turn.turn_id != bound.turn_id:
        return {}
    return {stream: [bound]}
