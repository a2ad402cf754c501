from datetime import UTC, datetime, timedelta

import pytest

from codara.domain import account
from codara.domain.account import Account
from codara.errors import Conflict, NotFound
from codara.events.account import (
    AccountRegistered,
    AccountRemoved,
    CredentialStored,
    HealthChanged,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)


def health(after, until=None):
    return HealthChanged(account_id="acc", before="ready", after=after, cause="test", until=until)


def state(*events) -> Account:
    folded = account.EMPTY
    for event in (
        AccountRegistered(account_id="acc", provider="codex", auth_type="API_KEY", label="A"),
        CredentialStored(account_id="acc", fingerprint="f1", sameness="s1"),
        *events,
    ):
        folded = account.evolve(folded, event)
    return folded


def register(given, **changed):
    wanted = {
        "account_id": "acc",
        "provider": "codex",
        "auth_type": "API_KEY",
        "label": "A",
        "fingerprint": "f1",
        "sameness": "s1",
    }
    return account.register(given, **(wanted | changed), now=NOW)


def change(given, after, until=None, now=NOW):
    return account.change(given, after=after, cause="seen", until=until, evidence="", now=now)


def names(events):
    return [type(event) for event in events]


def test_a_new_account_is_registered_and_ready():
    events = register(account.EMPTY)
    assert names(events) == [AccountRegistered, CredentialStored]
    assert account.standing(state(), NOW) == "ready"


def test_an_account_nobody_registered_is_not_there():
    assert account.standing(account.EMPTY, NOW) == "removed"
    assert account.standing(state(AccountRemoved(account_id="acc")), NOW) == "removed"


def test_the_same_credential_again_says_nothing():
    assert register(state()) == []


def test_another_credential_is_stored_and_heals_what_was_broken():
    assert names(register(state(), fingerprint="f2")) == [CredentialStored]
    stored, healed = register(state(health("expired")), fingerprint="f2")
    assert stored == CredentialStored(account_id="acc", fingerprint="f2", sameness="s1")
    assert (healed.before, healed.after, healed.cause) == ("expired", "ready", "credential_updated")


def test_a_disabled_account_stays_disabled_whatever_its_credential():
    assert names(register(state(health("disabled")), fingerprint="f2")) == [CredentialStored]


@pytest.mark.parametrize("broken", ["expired", "error"])
def test_the_same_credential_again_has_a_broken_account_tried_again(broken):
    [tried] = register(state(health(broken)))
    assert (tried.before, tried.after, tried.cause) == (broken, "ready", "operator")


@pytest.mark.parametrize("kept", ["cooldown", "exhausted", "disabled"])
def test_the_same_credential_again_ends_no_wait_and_enables_nothing(kept):
    assert register(state(health(kept, LATER))) == []


def test_a_new_label_is_said():
    [event] = register(state(), label="B")
    assert account.evolve(state(), event).label == "B"


def test_an_account_that_did_not_record_what_its_credential_is_the_same_as_does_so():
    old = account.evolve(state(), CredentialStored(account_id="acc", fingerprint="f1"))
    [stored] = register(old)
    assert stored == CredentialStored(account_id="acc", fingerprint="f1", sameness="s1")


def test_the_provider_of_an_account_does_not_change():
    with pytest.raises(Conflict, match="codex"):
        register(state(), provider="claude")


def test_a_removed_id_may_be_registered_for_another_provider():
    removed = state(health("error"), AccountRemoved(account_id="acc"))
    events = register(removed, provider="claude")
    assert account.evolve(removed, events[0]).status == "ready"


@pytest.mark.parametrize("passing", ["cooldown", "exhausted"])
def test_what_ends_by_itself_has_ended_when_its_time_is_over(passing):
    cooling = state(health(passing, SOON))
    assert account.standing(cooling, NOW) == passing
    assert account.standing(cooling, SOON) == "ready"


@pytest.mark.parametrize("broken", ["expired", "error", "disabled"])
def test_what_is_broken_stays_so(broken):
    assert account.standing(state(health(broken)), LATER) == broken


def test_a_turn_that_found_out_something_new_says_it():
    [event] = change(state(), "cooldown", SOON)
    assert (event.before, event.after, event.until) == ("ready", "cooldown", SOON)


def test_a_longer_wait_replaces_a_shorter_one_and_never_the_other_way():
    [event] = change(state(health("cooldown", SOON)), "exhausted", LATER)
    assert event.until == LATER
    assert change(state(health("exhausted", LATER)), "cooldown", SOON) == []
    assert change(state(health("cooldown", LATER)), "cooldown", LATER) == []


def test_a_wait_after_one_that_is_over_begins_from_ready():
    [event] = change(state(health("cooldown", SOON)), "cooldown", LATER, now=SOON)
    assert event.before == "ready"


@pytest.mark.parametrize("broken", ["expired", "error", "disabled"])
def test_a_passing_trouble_does_not_heal_a_broken_account(broken):
    assert change(state(health(broken)), "cooldown", SOON) == []


def test_nothing_is_said_of_an_account_that_is_gone_or_of_what_is_known():
    assert change(account.EMPTY, "expired") == []
    assert change(state(), "ready") == []
    assert change(state(health("expired")), "expired") == []


def test_an_operator_takes_an_account_out_and_lets_it_in_again():
    [out] = account.cool_down(state(), account_id="acc", until=SOON, now=NOW)
    assert (out.after, out.cause, out.until) == ("cooldown", "operator", SOON)
    [back] = account.recover(account.evolve(state(), out), account_id="acc", now=NOW)
    assert (back.before, back.after) == ("cooldown", "ready")
    assert account.recover(state(), account_id="acc", now=NOW) == []


def test_an_account_that_a_full_window_keeps_from_turns_is_recovered_although_it_is_ready():
    [back] = account.recover(state(), account_id="acc", now=NOW, is_full=True)
    assert (back.before, back.after, back.cause) == ("exhausted", "ready", "operator")


def test_removing_forgets_everything():
    [gone] = account.remove(state(), account_id="acc")
    assert account.evolve(state(), gone) == account.EMPTY


def test_an_unknown_account_is_not_found():
    with pytest.raises(NotFound):
        account.remove(account.EMPTY, account_id="acc")
    with pytest.raises(NotFound):
        account.recover(account.EMPTY, account_id="acc", now=NOW)
    with pytest.raises(NotFound):
        account.cool_down(account.EMPTY, account_id="acc", until=SOON, now=NOW)
