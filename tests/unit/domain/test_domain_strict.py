"""An order of facts that cannot have happened is refused, where `evolve` passes it over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from given_when_then import (
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
from tests import event_examples
from tests.event_examples import NOW, SOON

A_MOMENT = timedelta(microseconds=1)
NEW = [event_examples.session_opened()]
NEXT = event_examples.turn_requested(turn_id=OTHER_TURN)
RESET = event_examples.session_reset()
UNHEARD = attrs.evolve(event_examples.END, thread=Thread())
DIVERGED = [*ENDED[SESSION], event_examples.history_diverged()]
ALONE = [*NEW, event_examples.turn_requested(elsewhere=()), event_examples.turn_started()]
ELSEWHERE = event_examples.turn_requested(provider="gemini", thread=Thread())
HELD = RUNNING[WORKSPACE]
USER = [event_examples.user_provisioned()]
SUSPENDED = [*USER, event_examples.user_suspended()]
DELETED = [*USER, event_examples.user_deleted()]
REGISTERED = REQUESTED[ACCOUNT]
REMOVED = [*REGISTERED, event_examples.account_removed()]
COOLING = [*REGISTERED, event_examples.health_changed()]
TAKEN = [event_examples.lease_taken()]
CLAIMED = [event_examples.idempotency_claimed()]
NAMED = [event_examples.name_claimed()]
ISSUED = [event_examples.key_issued()]
IN = [event_examples.operator_logged_in()]
JAILED = [event_examples.jail_started()]
SERVING = [event_examples.gateway_started()]

STREAMS = {
    "user": streams.user(event_examples.USER),
    "name": "name/ffff",
    "key": "key/ffff",
    "operator": streams.operator(event_examples.OPERATOR),
    "jail": streams.jail(event_examples.JAIL),
    "gateway": streams.GATEWAY,
    "log": streams.LOG,
    "session": SESSION,
    "workspace": WORKSPACE,
    "account": ACCOUNT,
    "lease": ACCOUNT_LEASE,
    "idempotency": KEY,
    "request": REQUEST,
    "quota": streams.quota(event_examples.ACCOUNT),
}


def stream_of(event: Event) -> str:
    return STREAMS[event.name.partition(".")[0]]


def fold(stream: str, events: Sequence[Event], at: datetime = NOW, **changes: Any) -> Any:
    """Folds them strictly from position 11 on; the last one happens at `at`, the others now."""
    recorded = [
        event_examples.recorded(event, position=10 + version, stream=stream, version=version)
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
    "a turn that failed before it started": [*REQUESTED[SESSION], event_examples.turn_failed()],
    "a turn that was cancelled before it started": [
        *REQUESTED[SESSION],
        event_examples.turn_cancelled(),
    ],
    "a turn after another": [
        *ENDED[SESSION],
        NEXT,
        event_examples.turn_started(turn_id=OTHER_TURN),
    ],
    "a thread that got an id": [
        *RUNNING[SESSION],
        event_examples.backend_bound(),
        event_examples.turn_failed(),
    ],
    "another account took over": [
        *RUNNING[SESSION],
        event_examples.account_changed(before=event_examples.ACCOUNT),
        event_examples.turn_completed(),
    ],
    "a fresh process": [
        *RUNNING[SESSION],
        event_examples.turn_retried(),
        event_examples.turn_cancelled(),
    ],
    "a history that diverged": [
        *NEW,
        event_examples.history_diverged(),
        event_examples.turn_requested(),
    ],
    "a session that was set back": [
        *ENDED[SESSION],
        event_examples.session_set_back(),
        NEXT,
    ],
    "a log that was restored": [
        event_examples.log_opened(),
        event_examples.log_vault_noted(),
        event_examples.log_restored(),
    ],
    "a start that misses folders": [event_examples.folders_missing(), *SERVING],
    "a session that was reset": [*ENDED[SESSION], RESET, NEXT],
    "a reset of a thread": [*ALONE, event_examples.turn_completed(), RESET],
    "a reset of what is dirty": [*ALONE, event_examples.turn_failed(end=UNHEARD), RESET],
    "a reset of threads elsewhere": [
        *NEW,
        ELSEWHERE,
        event_examples.turn_failed(end=UNHEARD),
        RESET,
    ],
    "a folder that was given back": [*ENDED[WORKSPACE], event_examples.threads_removed()],
    "a folder that another took over": [
        *HELD,
        event_examples.workspace_locked(holder=OTHER_HOLDER),
    ],
    "the diff of who overstayed": [
        event_examples.workspace_provisioned(),
        event_examples.workspace_locked(until=NOW),
        event_examples.workspace_locked(holder=OTHER_HOLDER),
        event_examples.diff_recorded(),
    ],
    "an account of another provider": [
        *REMOVED,
        event_examples.account_registered(provider="claude"),
    ],
    "an account with another label": [*REGISTERED, event_examples.account_registered(label="B")],
    "an account that waits no more": [*COOLING, event_examples.health_changed(before="ready")],
    "an account that still waits": [*COOLING, event_examples.health_changed(before="cooldown")],
    "a user who came back": [
        *SUSPENDED,
        event_examples.user_restored(),
        event_examples.user_updated(),
    ],
    "a user who is gone": DELETED,
    "a key that was revoked": [*ISSUED, event_examples.key_revoked()],
    "a name of another owner": [
        *NAMED,
        event_examples.name_freed(),
        event_examples.name_claimed(owner="usr_2"),
    ],
    "a slot that was given back": [*TAKEN, event_examples.lease_released(), *TAKEN],
    "a slot that another took over": [*TAKEN, event_examples.lease_taken(turn_id=OTHER_TURN)],
    "an idempotency key that was freed": [*CLAIMED, event_examples.idempotency_freed(), *CLAIMED],
    "a login that ended": [*IN, event_examples.token_revoked()],
    "a login whose refresh token came back": [
        *IN,
        event_examples.token_exchanged(),
        event_examples.token_reused(),
    ],
    "logins that were refused": [event_examples.login_refused(), event_examples.login_refused()],
    "a jail that was killed": [*JAILED, event_examples.jail_killed(), event_examples.jail_exited()],
    "a denial that comes late": [
        *JAILED,
        event_examples.jail_exited(),
        event_examples.egress_denied(),
    ],
    "a gateway that recovered": [
        event_examples.gateway_recovered(),
        *SERVING,
        event_examples.gateway_stopped(),
    ],
    "two gateways": [*SERVING, event_examples.gateway_started(gateway_id="gw_2")],
    "requests of one id": [event_examples.request_refused(), event_examples.request_accepted()],
    "quotas": [event_examples.quota_observed(), event_examples.quota_observed()],
    "a log": [event_examples.log_opened()],
}


@pytest.mark.parametrize("events", POSSIBLE.values(), ids=POSSIBLE.keys())
def test_what_can_have_happened_is_folded_as_ever(events: Sequence[Event]) -> None:
    stream = stream_of(events[-1])
    assert fold(stream, events, at=SOON) == folded(stream, events)


def test_tokens_are_facts_of_an_account_in_a_stream_of_their_own() -> None:
    stream = streams.token(event_examples.ACCOUNT)
    events = [event_examples.token_refreshed()] * 2
    assert fold(stream, events) == folded(stream, events)


IMPOSSIBLE = {
    "a session opened twice": (NEW, event_examples.session_opened(), "new session"),
    "a turn of a session that nobody opened": (
        [],
        event_examples.turn_requested(),
        "opened session",
    ),
    "a reset before the session was opened": ([], RESET, "opened session"),
    "a second turn before the end of the first": (
        RUNNING[SESSION],
        NEXT,
        f"end of {event_examples.TURN}",
    ),
    "a turn requested twice": (ENDED[SESSION], event_examples.turn_requested(), "new"),
    "a turn of another session": (
        NEW,
        event_examples.turn_requested(session_id="ses_2"),
        "same session",
    ),
    "a turn of another user": (NEW, event_examples.turn_requested(user_id="usr_2"), "same session"),
    "a turn elsewhere": (NEW, event_examples.turn_requested(workspace_id="wsp_2"), "same session"),
    "a start without a request": (NEW, event_examples.turn_started(), "requested"),
    "a start after the end": (ENDED[SESSION], event_examples.turn_started(), "not ended"),
    "a start of another turn": (
        REQUESTED[SESSION],
        event_examples.turn_started(turn_id="x"),
        "x has been",
    ),
    "a second start": (RUNNING[SESSION], event_examples.turn_started(), "not started"),
    "a completion before the start": (REQUESTED[SESSION], event_examples.turn_completed(), "runs"),
    "a completion without a request": (NEW, event_examples.turn_completed(), "runs"),
    "a second end": (ENDED[SESSION], event_examples.turn_failed(), "not ended"),
    "a failure of another turn": (
        RUNNING[SESSION],
        event_examples.turn_failed(turn_id="x"),
        "x has been",
    ),
    "a cancellation after the end": (ENDED[SESSION], event_examples.turn_cancelled(), "not ended"),
    "an id before the start": (REQUESTED[SESSION], event_examples.backend_bound(), "runs"),
    "an id after the end": (ENDED[SESSION], event_examples.backend_bound(), "runs"),
    "a retry of another turn": (
        RUNNING[SESSION],
        event_examples.turn_retried(turn_id="x"),
        "x runs",
    ),
    "another account before the start": (
        REQUESTED[SESSION],
        event_examples.account_changed(),
        "runs",
    ),
    "another account than it ran on": (
        RUNNING[SESSION],
        event_examples.account_changed(),
        event_examples.ACCOUNT,
    ),
    "a history that diverged in a turn": (
        RUNNING[SESSION],
        event_examples.history_diverged(),
        "end of",
    ),
    "a diverged history of another turn": (DIVERGED, NEXT, event_examples.TURN),
    "a diverged history of none": (DIVERGED, RESET, event_examples.TURN),
    "a reset in a turn": (RUNNING[SESSION], RESET, "end of"),
    "a reset of a fresh session": (NEW, RESET, "not fresh"),
    "an expiry in a turn": (RUNNING[SESSION], event_examples.session_expired(), "end of"),
    "an expiry before the time": (ENDED[SESSION], event_examples.session_expired(), "time is over"),
    "an expiry without a time": (NEW, event_examples.session_expired(), "time is over"),
    "a workspace provisioned twice": (
        HELD,
        event_examples.workspace_provisioned(),
        "new workspace",
    ),
    "a lock of no workspace": ([], event_examples.workspace_locked(), "provisioned workspace"),
    "a lock over a lock": (
        HELD,
        event_examples.workspace_locked(holder=OTHER_HOLDER),
        event_examples.TURN,
    ),
    "unlocked by another": (
        HELD,
        event_examples.workspace_unlocked(holder=OTHER_HOLDER),
        event_examples.TURN,
    ),
    "unlocked twice": (ENDED[WORKSPACE], event_examples.workspace_unlocked(), "nobody"),
    "a diff of who was never there": (
        HELD,
        event_examples.diff_recorded(turn_id="x"),
        "x has locked",
    ),
    "a second diff": (ENDED[WORKSPACE], event_examples.diff_recorded(), "one diff"),
    "a credential of no account": ([], event_examples.credential_stored(), "registered account"),
    "health of no account": ([], event_examples.health_changed(), "registered account"),
    "health after removal": (REMOVED, event_examples.health_changed(), "registered account"),
    "a credential after removal": (
        REMOVED,
        event_examples.credential_stored(),
        "registered account",
    ),
    "removed twice": (REMOVED, event_examples.account_removed(), "registered account"),
    "another provider": (REGISTERED, event_examples.account_registered(provider="claude"), "codex"),
    "healthier than it was": (COOLING, event_examples.health_changed(before="ready"), "cooldown"),
    "a user provisioned twice": (USER, event_examples.user_provisioned(), "new user"),
    "an unknown user": ([], event_examples.user_updated(), "provisioned user"),
    "changed after deletion": (DELETED, event_examples.user_updated(), "deleted"),
    "restored after deletion": (DELETED, event_examples.user_restored(), "deleted"),
    "suspended twice": (SUSPENDED, event_examples.user_suspended(), "not suspended"),
    "restored without suspension": (USER, event_examples.user_restored(), "suspended"),
    "a key issued twice": (ISSUED, event_examples.key_issued(), "new key"),
    "an unknown key revoked": ([], event_examples.key_revoked(), "issued key"),
    "another user's key revoked": (
        ISSUED,
        event_examples.key_revoked(user_id="usr_2"),
        "of that user",
    ),
    "a key revoked twice": (
        [*ISSUED, event_examples.key_revoked()],
        event_examples.key_revoked(),
        "not revoked",
    ),
    "a name claimed over another": (
        NAMED,
        event_examples.name_claimed(owner="usr_2"),
        event_examples.USER,
    ),
    "a name claimed twice": (NAMED, event_examples.name_claimed(), event_examples.USER),
    "a name freed by another": (
        NAMED,
        event_examples.name_freed(owner="usr_2"),
        event_examples.USER,
    ),
    "a slot taken over a turn": (
        TAKEN,
        event_examples.lease_taken(turn_id=OTHER_TURN),
        event_examples.TURN,
    ),
    "a slot nobody took": ([], event_examples.lease_released(), "nobody"),
    "a slot of another turn": (
        TAKEN,
        event_examples.lease_released(turn_id=OTHER_TURN),
        event_examples.TURN,
    ),
    "a key claimed twice": (CLAIMED, event_examples.idempotency_claimed(), event_examples.TURN),
    "a key freed by another": (
        CLAIMED,
        event_examples.idempotency_freed(turn_id=OTHER_TURN),
        event_examples.TURN,
    ),
    "a key freed that nobody claimed": ([], event_examples.idempotency_freed(), "nobody"),
    "a second login": (IN, event_examples.operator_logged_in(), "nobody"),
    "a refusal after the login": (IN, event_examples.login_refused(), "nobody"),
    "a login ended that never began": ([], event_examples.token_revoked(), "of that operator"),
    "a login ended twice": (
        [*IN, event_examples.token_revoked()],
        event_examples.token_revoked(),
        "not ended",
    ),
    "an exchange of a login that ended": (
        [*IN, event_examples.token_revoked()],
        event_examples.token_exchanged(),
        "not ended",
    ),
    "an exchange of a spent token": (
        [*IN, event_examples.token_exchanged()],
        event_examples.token_exchanged(),
        "newest token, tok_2",
    ),
    "a jail started twice": (JAILED, event_examples.jail_started(), "new jail"),
    "a jail that never started": ([], event_examples.jail_exited(), "started jail"),
    "a jail that ends twice": (
        [*JAILED, event_examples.jail_exited()],
        event_examples.jail_exited(),
        "not exited",
    ),
    "killed when it was gone": (
        [*JAILED, event_examples.jail_exited()],
        event_examples.jail_killed(),
        "not exited",
    ),
    "killed twice": (
        [*JAILED, event_examples.jail_killed()],
        event_examples.jail_killed(),
        "not killed",
    ),
    "a gateway started twice": (SERVING, event_examples.gateway_started(), "starts now"),
    "recovery in the middle": (SERVING, event_examples.gateway_recovered(), "starts now"),
    "a stop without a start": ([], event_examples.gateway_stopped(), "has started"),
    "a second stop": (
        [*SERVING, event_examples.gateway_stopped()],
        event_examples.gateway_stopped(),
        "once",
    ),
    "a log opened twice": (
        [event_examples.log_opened()],
        event_examples.log_opened(),
        "first fact",
    ),
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
        (HELD, event_examples.workspace_locked(holder=OTHER_HOLDER)),
        (TAKEN, event_examples.lease_taken(turn_id=OTHER_TURN)),
        (ENDED[SESSION], event_examples.session_expired()),
        (COOLING, event_examples.health_changed(before="ready")),
    ],
)
def test_what_ends_by_itself_ends_at_its_time_and_not_a_moment_sooner(
    before: Sequence[Event], event: Event
) -> None:
    refusal(before, event, at=SOON - A_MOMENT)
    fold(stream_of(event), [*before, event], at=SOON)


def test_the_first_fact_that_cannot_be_is_told_in_plain_words() -> None:
    error = refusal([*NEW, event_examples.turn_requested()], event_examples.turn_completed())
    assert str(error) == (
        "session/ses_1, position 13: found session.turn_completed of trn_1, "
        "expected that trn_1 runs"
    )
    bare = refusal([], RESET)
    assert (bare.found, bare.expected) == ("session.reset", "an opened session")


@pytest.mark.parametrize("version", [2, 4])
def test_a_stream_has_every_version_once(version: int) -> None:
    with pytest.raises(ImpossibleOrder) as refused:
        fold(SESSION, REQUESTED[SESSION] + [event_examples.turn_failed()], version=version)
    assert refused.value.expected == "version 3 of the stream"


def test_a_fact_of_another_area_is_in_the_wrong_stream() -> None:
    with pytest.raises(ImpossibleOrder) as refused:
        fold(streams.quota(event_examples.ACCOUNT), [event_examples.account_removed()])
    assert refused.value.expected == "a fact of the area quota"


def test_a_fact_that_only_a_later_version_knows_is_passed_over() -> None:
    later = Unknown(stored_name="session.paused", stored_version=1, fields={})
    paused = fold(SESSION, [*NEW, later, event_examples.turn_requested()])
    assert paused == folded(SESSION, REQUESTED[SESSION])


def test_an_empty_stream_is_as_empty_as_ever() -> None:
    assert strictly(SESSION, []) == folded(SESSION, [])


def test_a_stream_of_a_kind_nobody_knows_is_not_folded() -> None:
    with pytest.raises(KeyError):
        strictly("dream/drm_1", [])
