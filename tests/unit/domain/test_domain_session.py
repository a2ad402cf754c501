"""A session: what may be asked of one conversation, and what is left of each turn in it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest
from given_when_then import ENDED, REQUESTED, RUNNING, SESSION, folded

from codara.domain import session
from codara.domain.session import Session
from codara.errors import NotFound, SessionBusy
from codara.events.base import Event
from codara.events.loss import SessionSetBack
from codara.events.session import SessionExpired, SessionReset
from codara.events.thread import Elsewhere, Thread
from tests import event_examples
from tests.event_examples import NOW, SOON

A_MOMENT = timedelta(microseconds=1)
GEMINIS = Thread(backend_id="gemini-1", point=event_examples.POINT)
BESIDE = (Elsewhere(provider="gemini", thread=GEMINIS),)


def state(*events: Event, before: Sequence[Event] = ENDED[SESSION]) -> Session:
    """The session of `ENDED`, whose one turn has completed, after these events."""
    folded_state: Session = folded(SESSION, [*before, *events])
    return folded_state


def requested(**changes: Any) -> Session:
    return state(event_examples.turn_requested(**changes), before=[event_examples.session_opened()])


# ------------------------------------------------------------ what is left of each turn


def test_a_session_that_was_opened_has_heard_nothing() -> None:
    opened = state(before=[event_examples.session_opened()])
    assert (opened.exists, opened.turn, opened.thread, opened.dirty) == (
        True,
        None,
        Thread(),
        False,
    )
    assert (opened.user_id, opened.workspace_id) == (event_examples.USER, event_examples.WORKSPACE)
    assert (opened.provider, opened.origin, opened.caller) == ("codex", "named", event_examples.KEY)
    assert not session.EMPTY.exists


def test_a_request_carries_all_that_a_decision_needs_to_know_of_a_session() -> None:
    alone = state(before=[event_examples.turn_requested()])
    assert requested() == alone
    assert state(event_examples.turn_requested(), before=ENDED[SESSION]) == alone
    assert {event_examples.turn_requested().name} == session.CLOSING


def test_a_requested_turn_is_open_and_has_not_started() -> None:
    waiting = requested(chat="c", system="s", persistent=False, dirty=True, elsewhere=BESIDE)
    assert waiting.turn == session.OpenTurn(
        turn_id=event_examples.TURN,
        workspace_id=event_examples.WORKSPACE,
        heard=event_examples.THREAD,
        idempotency="idempotency/ffff",
    )
    assert (waiting.chat, waiting.system, waiting.kept) == ("c", "s", False)
    assert (waiting.dirty, waiting.elsewhere, waiting.thread) == (
        True,
        BESIDE,
        event_examples.THREAD,
    )


def test_a_started_turn_knows_its_leases_and_its_account() -> None:
    started = event_examples.turn_started()
    assert state(before=RUNNING[SESSION]).turn == attrs.evolve(requested().turn, started=started)


def test_another_account_takes_the_place_of_the_first() -> None:
    chosen = attrs.evolve(event_examples.CHOSEN, account_id="acc_2")
    changed = event_examples.account_changed(
        account_chosen=chosen, leases=("lease/account/acc_2/0",)
    )
    turn = state(changed, before=RUNNING[SESSION]).turn
    started = event_examples.turn_started(account_chosen=chosen, leases=("lease/account/acc_2/0",))
    assert turn == attrs.evolve(requested().turn, started=started)


def test_a_thread_with_a_new_id_has_heard_what_the_turn_tells_it() -> None:
    turn = state(
        event_examples.backend_bound(backend_id="backend-9", heard=None), before=RUNNING[SESSION]
    ).turn
    assert turn.heard == attrs.evolve(event_examples.THREAD, backend_id="backend-9")


def test_a_fresh_thread_with_a_new_id_has_heard_what_is_said_of_it() -> None:
    fresh = Thread(point=attrs.evolve(event_examples.POINT, entries=9))
    bound = event_examples.backend_bound(backend_id="backend-9", heard=fresh)
    turn = state(bound, before=RUNNING[SESSION]).turn
    assert turn.heard == attrs.evolve(fresh, backend_id="backend-9")


@pytest.mark.parametrize(
    "late",
    [
        event_examples.turn_started(),
        event_examples.backend_bound(),
        event_examples.account_changed(),
    ],
)
def test_what_comes_after_the_end_of_a_turn_changes_nothing(late: Event) -> None:
    assert state(late) == state()


def test_no_account_is_changed_before_the_start() -> None:
    assert state(event_examples.account_changed(), before=REQUESTED[SESSION]) == requested()


def test_facts_that_change_nothing_are_passed_over() -> None:
    assert state(event_examples.history_diverged()) == state()
    assert state(event_examples.turn_retried(), before=RUNNING[SESSION]) == state(
        before=RUNNING[SESSION]
    )


@pytest.mark.parametrize(
    "ended",
    [
        event_examples.turn_completed(),
        event_examples.turn_failed(),
        event_examples.turn_cancelled(),
    ],
)
def test_however_a_turn_ends_the_session_goes_on_from_its_thread(ended: Event) -> None:
    thread = Thread(backend_id="backend-7")
    ended = attrs.evolve(ended, end=attrs.evolve(event_examples.END, thread=thread))
    over = state(ended, before=RUNNING[SESSION])
    assert (over.turn, over.thread, over.expires_at) == (None, thread, SOON)


@pytest.mark.parametrize(
    "went_wrong", [event_examples.turn_failed(), event_examples.turn_cancelled()]
)
def test_a_turn_that_went_wrong_leaves_the_session_dirty_once_it_had_started(
    went_wrong: Event,
) -> None:
    assert state(went_wrong, before=RUNNING[SESSION]).dirty
    assert not state(went_wrong, before=REQUESTED[SESSION]).dirty
    dirty = event_examples.turn_requested(dirty=True)
    assert state(went_wrong, before=[event_examples.session_opened(), dirty]).dirty


def test_a_turn_that_completed_leaves_the_session_clean() -> None:
    before = [
        event_examples.session_opened(),
        event_examples.turn_requested(dirty=True),
        event_examples.turn_started(),
    ]
    assert not state(event_examples.turn_completed(), before=before).dirty


@pytest.mark.parametrize(
    ("over", "dirty"),
    [(event_examples.session_reset(), False), (event_examples.session_expired(), True)],
)
def test_a_session_that_was_reset_or_has_expired_begins_afresh(over: Event, dirty: bool) -> None:
    before = [
        event_examples.session_opened(),
        event_examples.turn_requested(elsewhere=BESIDE),
        event_examples.turn_started(),
    ]
    fresh = state(event_examples.turn_failed(), over, before=before)
    assert (fresh.thread, fresh.elsewhere, fresh.dirty) == (Thread(), (), dirty)
    assert (fresh.expires_at, fresh.session_id) == (None, event_examples.SESSION)


# ------------------------------------------------------------ which thread goes on


def test_a_session_has_expired_from_the_moment_on_that_it_was_given() -> None:
    assert not session.is_expired(state(), SOON - A_MOMENT)
    assert session.is_expired(state(), SOON)
    assert not session.is_expired(requested(), SOON)


def test_the_next_turn_goes_on_with_the_thread_of_its_provider() -> None:
    both = state(
        event_examples.turn_completed(), before=[event_examples.turn_requested(elsewhere=BESIDE)]
    )
    assert session.standing_thread(both, provider="codex", now=NOW) == event_examples.THREAD
    assert session.standing_thread(both, provider="gemini", now=NOW) == GEMINIS
    assert session.standing_thread(both, provider="claude", now=NOW) == Thread()


@pytest.mark.parametrize("provider", ["codex", "gemini"])
def test_nothing_goes_on_after_its_time_or_of_what_was_not_to_be_kept(provider: str) -> None:
    both = state(
        event_examples.turn_completed(), before=[event_examples.turn_requested(elsewhere=BESIDE)]
    )
    asked = event_examples.turn_requested(persistent=False, elsewhere=BESIDE)
    for gone, now in ((both, SOON), (state(event_examples.turn_completed(), before=[asked]), NOW)):
        assert session.standing_thread(gone, provider=provider, now=now) == Thread()
        assert session.threads_elsewhere(gone, provider=provider, now=now) == ()


def test_the_threads_of_other_providers_stay_beside_the_next_turns() -> None:
    both = state(
        event_examples.turn_completed(), before=[event_examples.turn_requested(elsewhere=BESIDE)]
    )
    present = Elsewhere(provider="codex", thread=event_examples.THREAD)
    assert session.threads_elsewhere(both, provider="codex", now=NOW) == BESIDE
    assert session.threads_elsewhere(both, provider="gemini", now=NOW) == (present,)
    assert session.threads_elsewhere(both, provider="claude", now=NOW) == (*BESIDE, present)


def test_a_thread_that_never_began_stays_nowhere() -> None:
    fresh = state(before=[event_examples.session_opened()])
    assert session.threads_elsewhere(fresh, provider="gemini", now=NOW) == ()


# ------------------------------------------------------------ decisions


@pytest.mark.parametrize("before", [REQUESTED[SESSION], RUNNING[SESSION]])
def test_a_session_is_busy_until_its_turn_has_ended(before: Sequence[Event]) -> None:
    with pytest.raises(SessionBusy, match=event_examples.TURN) as refused:
        session.refuse_if_busy(state(before=before))
    assert refused.value.retry_safe is False


def test_a_session_whose_turn_has_ended_is_not_busy() -> None:
    session.refuse_if_busy(state())
    session.refuse_if_busy(session.EMPTY)


def test_a_session_expires_once_when_its_time_is_over() -> None:
    expired = SessionExpired(session_id=event_examples.SESSION)
    assert session.expire(state(), now=SOON) == [expired]
    assert session.expire(state(expired), now=SOON) == []


def test_a_session_does_not_expire_before_its_time() -> None:
    assert session.expire(state(), now=SOON - A_MOMENT) == []


def test_no_session_expires_while_a_turn_is_open() -> None:
    open_still = attrs.evolve(state(), turn=requested().turn)
    assert session.expire(open_still, now=SOON) == []


@pytest.mark.parametrize("user_id", [event_examples.USER, None])
def test_its_user_and_an_operator_reset_a_session_once(user_id: str | None) -> None:
    reset = SessionReset(session_id=event_examples.SESSION)
    assert session.reset(state(), user_id=user_id) == [reset]
    assert session.reset(state(reset), user_id=user_id) == []


def test_a_session_that_is_only_dirty_is_reset_as_well() -> None:
    dirty = attrs.evolve(state(), thread=Thread(), dirty=True)
    assert session.reset(dirty, user_id=None) == [SessionReset(session_id=event_examples.SESSION)]


def test_a_session_whose_threads_are_all_elsewhere_is_reset_as_well() -> None:
    """A turn with a new provider that never started leaves it so."""
    codexs = (Elsewhere(provider="codex", thread=event_examples.THREAD),)
    asked = event_examples.turn_requested(provider="gemini", thread=Thread(), elsewhere=codexs)
    refused = event_examples.turn_failed(end=attrs.evolve(event_examples.END, thread=Thread()))
    left = state(refused, before=[event_examples.session_opened(), asked])
    [reset] = session.reset(left, user_id=event_examples.USER)
    after = session.evolve(left, reset)
    assert session.standing_thread(after, provider="codex", now=NOW) == Thread()


def test_a_session_that_has_heard_nothing_is_fresh_already() -> None:
    assert session.reset(state(before=[event_examples.session_opened()]), user_id=None) == []


@pytest.mark.parametrize(
    ("there", "user_id"),
    [(session.EMPTY, None), (session.EMPTY, ""), (state(), event_examples.OTHER_USER)],
)
def test_a_session_that_is_not_there_or_another_users_is_not_found(
    there: Session, user_id: str | None
) -> None:
    with pytest.raises(NotFound):
        session.reset(there, user_id=user_id)


def test_a_busy_session_is_not_reset() -> None:
    with pytest.raises(SessionBusy):
        session.reset(state(before=RUNNING[SESSION]), user_id=event_examples.USER)


def test_a_session_that_is_set_back_is_dirty_and_keeps_no_thread_but_its_point() -> None:
    codexs = (Elsewhere(provider="codex", thread=event_examples.THREAD),)
    before = attrs.evolve(state(), elsewhere=codexs)
    [back] = session.set_back(before, now=NOW)
    after = session.evolve(before, back)
    assert (after.dirty, after.elsewhere) == (True, ())
    assert after.thread == attrs.evolve(before.thread, backend_id=None, mark=None)
    assert session.set_back(after, now=NOW) == []


def test_a_session_whose_time_is_over_is_not_set_back() -> None:
    assert session.set_back(state(), now=SOON) == []
    assert session.set_back(session.EMPTY, now=NOW) == []


def test_no_session_is_set_back_while_a_turn_is_open() -> None:
    open_still = attrs.evolve(state(), turn=requested().turn)
    assert session.set_back(open_still, now=NOW) == []


def test_a_turn_after_the_session_was_set_back_ends_its_being_dirty() -> None:
    back = SessionSetBack(session_id=event_examples.SESSION)
    asked = event_examples.turn_requested(turn_id="trn_2", thread=Thread(), dirty=True)
    done = event_examples.turn_completed(turn_id="trn_2")
    started = event_examples.turn_started(turn_id="trn_2")
    assert state(back, asked, started, done).dirty is False
