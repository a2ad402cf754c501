"""An order of facts that cannot have happened is refused, where `evolve` passes it over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from deciding import (
    ACCOUNT,
    ACCOUNT_LEASE,
    ENDED,
    KEY,
    OTHER_HOLDER,
    OTHER_TURN,
    REQUEST,
    REQUESTED,
    RUNNING,
    SESSION,
    WORKSPACE,
    folded,
)

from codara.domain.strict import ImpossibleOrder, strictly
from codara.events import streams
from codara.events.base import Event, Unknown
from codara.events.thread import Thread
from tests import given
from tests.given import NOW, SOON

A_MOMENT = timedelta(microseconds=1)
NEW = [given.session_opened()]
NEXT = given.turn_requested(turn_id=OTHER_TURN)
RESET = given.session_reset()
UNHEARD = attrs.evolve(given.END, thread=Thread())
DIVERGED = [*ENDED[SESSION], given.history_diverged()]
ALONE = [*NEW, given.turn_requested(elsewhere=()), given.turn_started()]
ELSEWHERE = given.turn_requested(provider="gemini", thread=Thread())
HELD = RUNNING[WORKSPACE]
USER = [given.user_provisioned()]
SUSPENDED = [*USER, given.user_suspended()]
DELETED = [*USER, given.user_deleted()]
REGISTERED = REQUESTED[ACCOUNT]
REMOVED = [*REGISTERED, given.account_removed()]
COOLING = [*REGISTERED, given.health_changed()]
TAKEN = [given.lease_taken()]
CLAIMED = [given.idempotency_claimed()]
NAMED = [given.name_claimed()]
ISSUED = [given.key_issued()]
IN = [given.operator_logged_in()]
JAILED = [given.jail_started()]
SERVING = [given.gateway_started()]

STREAMS = {
    "user": streams.user(given.USER),
    "name": "name/ffff",
    "key": "key/ffff",
    "operator": streams.operator(given.OPERATOR),
    "jail": streams.jail(given.JAIL),
    "gateway": streams.GATEWAY,
    "log": streams.LOG,
    "session": SESSION,
    "workspace": WORKSPACE,
    "account": ACCOUNT,
    "lease": ACCOUNT_LEASE,
    "idempotency": KEY,
    "request": REQUEST,
    "quota": streams.quota(given.ACCOUNT),
}


def stream_of(event: Event) -> str:
    return STREAMS[event.name.partition(".")[0]]


def fold(stream: str, events: Sequence[Event], at: datetime = NOW, **changes: Any) -> Any:
    """Folds them strictly from position 11 on; the last one happens at `at`, the others now."""
    recorded = [
        given.recorded(event, position=10 + version, stream=stream, version=version)
        for version, event in enumerate(events, 1)
    ]
    last = attrs.evolve(recorded[-1].metadata, at=at)
    recorded[-1] = attrs.evolve(recorded[-1], metadata=last, **changes)
    return strictly(stream, recorded)


def refusal(before: Sequence[Event], event: Event, at: datetime = NOW) -> ImpossibleOrder:
    stream = stream_of(event)
    with pytest.raises(ImpossibleOrder) as refused:
        fold(stream, [*before, event], at)
    error = refused.value
    assert (error.stream, error.position) == (stream, 11 + len(before))
    assert error.found.startswith(event.name)
    return error


POSSIBLE = {
    "a turn that completed": ENDED[SESSION],
    "a turn that failed before it started": [*REQUESTED[SESSION], given.turn_failed()],
    "a turn that was cancelled before it started": [*REQUESTED[SESSION], given.turn_cancelled()],
    "a turn after another": [*ENDED[SESSION], NEXT, given.turn_started(turn_id=OTHER_TURN)],
    "a thread that got an id": [*RUNNING[SESSION], given.backend_bound(), given.turn_failed()],
    "another account took over": [
        *RUNNING[SESSION],
        given.account_changed(before=given.ACCOUNT),
        given.turn_completed(),
    ],
    "a fresh process": [*RUNNING[SESSION], given.turn_retried(), given.turn_cancelled()],
    "a history that diverged": [*NEW, given.history_diverged(), given.turn_requested()],
    "a session that was reset": [*ENDED[SESSION], RESET, NEXT],
    "a reset of a thread": [*ALONE, given.turn_completed(), RESET],
    "a reset of what is dirty": [*ALONE, given.turn_failed(end=UNHEARD), RESET],
    "a reset of threads elsewhere": [*NEW, ELSEWHERE, given.turn_failed(end=UNHEARD), RESET],
    "a folder that was given back": [*ENDED[WORKSPACE], given.threads_removed()],
    "a folder that another took over": [*HELD, given.workspace_locked(holder=OTHER_HOLDER)],
    "the diff of who overstayed": [
        given.workspace_provisioned(),
        given.workspace_locked(until=NOW),
        given.workspace_locked(holder=OTHER_HOLDER),
        given.diff_recorded(),
    ],
    "an account of another provider": [*REMOVED, given.account_registered(provider="claude")],
    "an account with another label": [*REGISTERED, given.account_registered(label="B")],
    "an account that waits no more": [*COOLING, given.health_changed(before="ready")],
    "an account that still waits": [*COOLING, given.health_changed(before="cooldown")],
    "a user who came back": [*SUSPENDED, given.user_restored(), given.user_updated()],
    "a user who is gone": DELETED,
    "a key that was revoked": [*ISSUED, given.key_revoked()],
    "a name of another owner": [*NAMED, given.name_freed(), given.name_claimed(owner="usr_2")],
    "a slot that was given back": [*TAKEN, given.lease_released(), *TAKEN],
    "a slot that another took over": [*TAKEN, given.lease_taken(turn_id=OTHER_TURN)],
    "an idempotency key that was freed": [*CLAIMED, given.idempotency_freed(), *CLAIMED],
    "a login that ended": [*IN, given.token_revoked()],
    "logins that were refused": [given.login_refused(), given.login_refused()],
    "a jail that was killed": [*JAILED, given.jail_killed(), given.jail_exited()],
    "a denial that comes late": [*JAILED, given.jail_exited(), given.egress_denied()],
    "a gateway that recovered": [given.gateway_recovered(), *SERVING, given.gateway_stopped()],
    "two gateways": [*SERVING, given.gateway_started(gateway_id="gw_2")],
    "requests of one id": [given.request_refused(), given.request_accepted()],
    "quotas": [given.quota_observed(), given.quota_observed()],
    "a log": [given.log_opened()],
}


@pytest.mark.parametrize("events", POSSIBLE.values(), ids=POSSIBLE.keys())
def test_what_can_have_happened_is_folded_as_ever(events: Sequence[Event]) -> None:
    stream = stream_of(events[-1])
    assert fold(stream, events, at=SOON) == folded(stream, events)


def test_tokens_are_facts_of_an_account_in_a_stream_of_their_own() -> None:
    stream = streams.token(given.ACCOUNT)
    events = [given.token_refreshed()] * 2
    assert fold(stream, events) == folded(stream, events)


IMPOSSIBLE = {
    "a session opened twice": (NEW, given.session_opened(), "new session"),
    "a turn of a session that nobody opened": ([], given.turn_requested(), "opened session"),
    "a reset before the session was opened": ([], RESET, "opened session"),
    "a second turn before the end of the first": (RUNNING[SESSION], NEXT, f"end of {given.TURN}"),
    "a turn requested twice": (ENDED[SESSION], given.turn_requested(), "new"),
    "a turn of another session": (NEW, given.turn_requested(session_id="ses_2"), "same session"),
    "a turn of another user": (NEW, given.turn_requested(user_id="usr_2"), "same session"),
    "a turn elsewhere": (NEW, given.turn_requested(workspace_id="wsp_2"), "same session"),
    "a start without a request": (NEW, given.turn_started(), "requested"),
    "a start after the end": (ENDED[SESSION], given.turn_started(), "not ended"),
    "a start of another turn": (REQUESTED[SESSION], given.turn_started(turn_id="x"), "x has been"),
    "a second start": (RUNNING[SESSION], given.turn_started(), "not started"),
    "a completion before the start": (REQUESTED[SESSION], given.turn_completed(), "runs"),
    "a completion without a request": (NEW, given.turn_completed(), "runs"),
    "a second end": (ENDED[SESSION], given.turn_failed(), "not ended"),
    "a failure of another turn": (RUNNING[SESSION], given.turn_failed(turn_id="x"), "x has been"),
    "a cancellation after the end": (ENDED[SESSION], given.turn_cancelled(), "not ended"),
    "an id before the start": (REQUESTED[SESSION], given.backend_bound(), "runs"),
    "an id after the end": (ENDED[SESSION], given.backend_bound(), "runs"),
    "a retry of another turn": (RUNNING[SESSION], given.turn_retried(turn_id="x"), "x runs"),
    "another account before the start": (REQUESTED[SESSION], given.account_changed(), "runs"),
    "another account than it ran on": (RUNNING[SESSION], given.account_changed(), given.ACCOUNT),
    "a history that diverged in a turn": (RUNNING[SESSION], given.history_diverged(), "end of"),
    "a diverged history of another turn": (DIVERGED, NEXT, given.TURN),
    "a diverged history of none": (DIVERGED, RESET, given.TURN),
    "a reset in a turn": (RUNNING[SESSION], RESET, "end of"),
    "a reset of a fresh session": (NEW, RESET, "not fresh"),
    "an expiry in a turn": (RUNNING[SESSION], given.session_expired(), "end of"),
    "an expiry before the time": (ENDED[SESSION], given.session_expired(), "time is over"),
    "an expiry without a time": (NEW, given.session_expired(), "time is over"),
    "a workspace provisioned twice": (HELD, given.workspace_provisioned(), "new workspace"),
    "a lock of no workspace": ([], given.workspace_locked(), "provisioned workspace"),
    "a lock over a lock": (HELD, given.workspace_locked(holder=OTHER_HOLDER), given.TURN),
    "unlocked by another": (HELD, given.workspace_unlocked(holder=OTHER_HOLDER), given.TURN),
    "unlocked twice": (ENDED[WORKSPACE], given.workspace_unlocked(), "nobody"),
    "a diff of who was never there": (HELD, given.diff_recorded(turn_id="x"), "x has locked"),
    "a second diff": (ENDED[WORKSPACE], given.diff_recorded(), "one diff"),
    "a credential of no account": ([], given.credential_stored(), "registered account"),
    "health of no account": ([], given.health_changed(), "registered account"),
    "health after removal": (REMOVED, given.health_changed(), "registered account"),
    "a credential after removal": (REMOVED, given.credential_stored(), "registered account"),
    "removed twice": (REMOVED, given.account_removed(), "registered account"),
    "another provider": (REGISTERED, given.account_registered(provider="claude"), "codex"),
    "healthier than it was": (COOLING, given.health_changed(before="ready"), "cooldown"),
    "a user provisioned twice": (USER, given.user_provisioned(), "new user"),
    "an unknown user": ([], given.user_updated(), "provisioned user"),
    "changed after deletion": (DELETED, given.user_updated(), "deleted"),
    "restored after deletion": (DELETED, given.user_restored(), "deleted"),
    "suspended twice": (SUSPENDED, given.user_suspended(), "not suspended"),
    "restored without suspension": (USER, given.user_restored(), "suspended"),
    "a key issued twice": (ISSUED, given.key_issued(), "new key"),
    "an unknown key revoked": ([], given.key_revoked(), "issued key"),
    "another user's key revoked": (ISSUED, given.key_revoked(user_id="usr_2"), "of that user"),
    "a key revoked twice": ([*ISSUED, given.key_revoked()], given.key_revoked(), "not revoked"),
    "a name claimed over another": (NAMED, given.name_claimed(owner="usr_2"), given.USER),
    "a name claimed twice": (NAMED, given.name_claimed(), given.USER),
    "a name freed by another": (NAMED, given.name_freed(owner="usr_2"), given.USER),
    "a slot taken over a turn": (TAKEN, given.lease_taken(turn_id=OTHER_TURN), given.TURN),
    "a slot nobody took": ([], given.lease_released(), "nobody"),
    "a slot of another turn": (TAKEN, given.lease_released(turn_id=OTHER_TURN), given.TURN),
    "a key claimed twice": (CLAIMED, given.idempotency_claimed(), given.TURN),
    "a key freed by another": (CLAIMED, given.idempotency_freed(turn_id=OTHER_TURN), given.TURN),
    "a key freed that nobody claimed": ([], given.idempotency_freed(), "nobody"),
    "a second login": (IN, given.operator_logged_in(), "nobody"),
    "a refusal after the login": (IN, given.login_refused(), "nobody"),
    "a login ended that never began": ([], given.token_revoked(), "of that operator"),
    "a login ended twice": ([*IN, given.token_revoked()], given.token_revoked(), "not ended"),
    "a jail started twice": (JAILED, given.jail_started(), "new jail"),
    "a jail that never started": ([], given.jail_exited(), "started jail"),
    "a jail that ends twice": ([*JAILED, given.jail_exited()], given.jail_exited(), "not exited"),
    "killed when it was gone": ([*JAILED, given.jail_exited()], given.jail_killed(), "not exited"),
    "killed twice": ([*JAILED, given.jail_killed()], given.jail_killed(), "not killed"),
    "a gateway started twice": (SERVING, given.gateway_started(), "starts now"),
    "recovery in the middle": (SERVING, given.gateway_recovered(), "starts now"),
    "a stop without a start": ([], given.gateway_stopped(), "has started"),
    "a second stop": ([*SERVING, given.gateway_stopped()], given.gateway_stopped(), "once"),
    "a log opened twice": ([given.log_opened()], given.log_opened(), "first fact"),
}


@pytest.mark.parametrize(
    ("before", "event", "expected"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys()
)
def test_what_cannot_have_happened_is_refused(
    before: Sequence[Event], event: Event, expected: str
) -> None:
    assert expected in refusal(before, event).expected


@pytest.mark.parametrize(
    ("before", "event"),
    [
        (HELD, given.workspace_locked(holder=OTHER_HOLDER)),
        (TAKEN, given.lease_taken(turn_id=OTHER_TURN)),
        (ENDED[SESSION], given.session_expired()),
        (COOLING, given.health_changed(before="ready")),
    ],
)
def test_what_ends_by_itself_ends_at_its_time_and_not_a_moment_sooner(
    before: Sequence[Event], event: Event
) -> None:
    refusal(before, event, at=SOON - A_MOMENT)
    fold(stream_of(event), [*before, event], at=SOON)


def test_the_first_fact_that_cannot_be_is_told_in_plain_words() -> None:
    error = refusal([*NEW, given.turn_requested()], given.turn_completed())
    assert str(error) == (
        "session/ses_1, position 13: found session.turn_completed of trn_1, "
        "expected that trn_1 runs"
    )
    bare = refusal([], RESET)
    assert (bare.found, bare.expected) == ("session.reset", "an opened session")


@pytest.mark.parametrize("version", [2, 4])
def test_a_stream_has_every_version_once(version: int) -> None:
    with pytest.raises(ImpossibleOrder) as refused:
        fold(SESSION, REQUESTED[SESSION] + [given.turn_failed()], version=version)
    assert refused.value.expected == "version 3 of the stream"


def test_a_fact_of_another_area_is_in_the_wrong_stream() -> None:
    with pytest.raises(ImpossibleOrder) as refused:
        fold(streams.quota(given.ACCOUNT), [given.account_removed()])
    assert refused.value.expected == "a fact of the area quota"


def test_a_fact_that_only_a_later_version_knows_is_passed_over() -> None:
    later = Unknown(stored_name="session.paused", stored_version=1, fields={})
    paused = fold(SESSION, [*NEW, later, given.turn_requested()])
    assert paused == folded(SESSION, REQUESTED[SESSION])


def test_an_empty_stream_is_as_empty_as_ever() -> None:
    assert strictly(SESSION, []) == folded(SESSION, [])


def test_a_stream_of_a_kind_nobody_knows_is_not_folded() -> None:
    with pytest.raises(KeyError):
        strictly("dream/drm_1", [])
