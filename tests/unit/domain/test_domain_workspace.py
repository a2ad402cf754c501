"""A workspace: who owns it, and who works in it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from given_when_then import OTHER_HOLDER, WORKSPACE, folded

from codara.domain import workspace
from codara.domain.workspace import Workspace
from codara.errors import WorkspaceBusy
from codara.events.base import Event
from codara.events.workspace import Holder, WorkspaceLocked
from tests import event_examples
from tests.event_examples import NOW, SOON

A_MOMENT = timedelta(microseconds=1)
MINE = event_examples.turn_holder()


def state(*events: Event, **provisioned: Any) -> Workspace:
    """The workspace once it is provisioned, after these events."""
    found: Workspace = folded(
        WORKSPACE, [event_examples.workspace_provisioned(**provisioned), *events]
    )
    return found


def lock(there: Workspace, holder: Holder = MINE, **changes: Any) -> list[Event]:
    ready = {"session_id": event_examples.SESSION, "now": NOW, "until": SOON}
    return workspace.lock(there, holder=holder, **ready | changes)


def test_a_workspace_exists_once_it_is_provisioned() -> None:
    assert state() == Workspace(
        workspace_id=event_examples.WORKSPACE,
        user_id=event_examples.USER,
        label="Ada's notes",
        folder="/srv/Ada/notes",
    )
    assert state().exists
    assert not workspace.EMPTY.exists


def test_a_lock_carries_all_that_a_decision_needs_to_know_of_a_workspace() -> None:
    for aside in (True, False):
        locked = event_examples.workspace_locked(aside=aside)
        assert state(locked, aside=aside) == folded(WORKSPACE, [locked])
        assert state(locked, aside=aside).aside is aside
    assert {WorkspaceLocked.name} == workspace.CLOSING


def test_a_free_folder_is_locked_with_all_that_is_known_of_it() -> None:
    assert lock(state()) == [event_examples.workspace_locked()]
    assert lock(state(aside=True)) == [event_examples.workspace_locked(aside=True)]


def test_who_locks_a_folder_holds_it_until_the_time_that_was_said() -> None:
    held = state(event_examples.workspace_locked())
    assert (held.holder, held.until) == (MINE, SOON)


@pytest.mark.parametrize(
    ("kind", "word"),
    [("turn", "task"), ("shell", "shell"), ("rewind", "rewind"), ("upload", "upload")],
)
def test_a_held_folder_is_busy_in_the_words_that_users_have_for_its_holder(
    kind: Any, word: str
) -> None:
    held = state(event_examples.workspace_locked(holder=Holder(kind=kind, id="x_7")))
    with pytest.raises(WorkspaceBusy, match=f"by {word} x_7") as refused:
        lock(held)
    assert refused.value.retry_safe is False


def test_not_even_its_holder_locks_a_folder_twice() -> None:
    with pytest.raises(WorkspaceBusy):
        lock(state(event_examples.workspace_locked()))


def test_a_folder_whose_holder_overstayed_is_taken_over() -> None:
    held = state(event_examples.workspace_locked(holder=OTHER_HOLDER))
    with pytest.raises(WorkspaceBusy):
        lock(held, now=SOON - A_MOMENT)
    later = SOON + timedelta(hours=1)
    assert lock(held, now=SOON, until=later) == [event_examples.workspace_locked(until=later)]


def test_what_works_in_a_folder_without_a_session_names_none() -> None:
    shell = Holder(kind="shell", id="shl_1")
    assert lock(state(), shell, session_id=None) == [
        event_examples.workspace_locked(holder=shell, session_id=None)
    ]


def test_its_holder_unlocks_a_folder_once() -> None:
    held = state(event_examples.workspace_locked())
    [unlocked] = workspace.unlock(held, holder=MINE)
    assert unlocked == event_examples.workspace_unlocked()
    assert workspace.unlock(workspace.evolve(held, unlocked), holder=MINE) == []


@pytest.mark.parametrize("other", [OTHER_HOLDER, Holder(kind="shell", id=event_examples.TURN)])
def test_nobody_else_unlocks_it(other: Holder) -> None:
    held = state(event_examples.workspace_locked())
    assert workspace.unlock(held, holder=other) == []
    assert workspace.evolve(held, event_examples.workspace_unlocked(holder=other)) == held


def test_a_folder_that_was_unlocked_is_free_and_still_itself() -> None:
    assert state(event_examples.workspace_locked(), event_examples.workspace_unlocked()) == state()
    assert lock(state(event_examples.workspace_locked(), event_examples.workspace_unlocked()))


@pytest.mark.parametrize(
    "events", [[event_examples.diff_recorded()], [event_examples.threads_removed()]]
)
def test_what_is_told_of_its_files_changes_nobodys_hold(events: Sequence[Event]) -> None:
    held = state(event_examples.workspace_locked())
    assert state(event_examples.workspace_locked(), *events) == held
