"""Given events, then what the read models answer."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import orjson
import pytest
from read_model_setup import (
    ACCOUNT,
    JAIL,
    KEY,
    PLACE,
    SESSION,
    USER,
    WORKSPACE,
    World,
    completed,
    ended,
    failed,
    requested,
    started,
)

from codara.errors import InvalidRequest
from codara.events import streams
from codara.events.account import QuotaWindow
from codara.events.base import Append, Event
from codara.events.windows import UNTOLD
from codara.projections.engine.base import Value
from codara.projections.engine.queries import Reader, Row
from tests import event_examples

QUOTA = streams.quota(event_examples.ACCOUNT)
T = "2026-03-01T12:00:00.000000+00:00"
SOON = "2026-03-01T13:00:00.000000+00:00"
REGISTERED = {ACCOUNT: [event_examples.account_registered(), event_examples.credential_stored()]}


# ------------------------------------------------------------------ tasks


async def test_a_requested_turn_is_a_pending_task(world: World) -> None:
    position = await world.happen(PLACE, requested())
    (task,) = (await world.views.tasks.list()).items
    assert task.status == "pending"
    assert (task.task_id, task.session_id, task.workspace_id, task.user_id) == (
        event_examples.TURN,
        event_examples.SESSION,
        event_examples.WORKSPACE,
        event_examples.USER,
    )
    assert (task.provider, task.model) == ("codex", "gpt-5-codex")
    assert task.created_at == T
    assert (task.started_at, task.ended_at, task.account_id) == (None, None, None)
    assert (task.usage, task.cost, task.modified_files) == (None, None, None)
    assert task.position == position - 1


async def test_a_started_turn_is_running_on_its_account(world: World) -> None:
    await world.happen(PLACE, requested(), started())
    task = await world.views.tasks.get(event_examples.TURN)
    assert task is not None
    assert (task.status, task.account_id, task.thread) == ("running", event_examples.ACCOUNT, "new")


async def test_a_task_is_on_the_account_that_took_it_over(world: World) -> None:
    chosen = attrs.evolve(event_examples.CHOSEN, account_id="acc_2")
    changed = event_examples.account_changed(before=event_examples.ACCOUNT, account_chosen=chosen)
    await world.happen(PLACE, requested(), started(), {SESSION: [changed]})
    task = await world.views.tasks.get(event_examples.TURN)
    assert task is not None
    assert (task.status, task.account_id) == ("running", "acc_2")


async def test_a_task_whose_thread_was_lost_is_fresh(world: World) -> None:
    end = attrs.evolve(event_examples.END, lost_thread=True)
    lost = event_examples.turn_completed(end=end, answer_payload=None)
    await world.happen(PLACE, requested(), started(), {SESSION: [lost]})
    (task,) = (await world.views.tasks.list()).items
    assert task.thread == "fresh"


async def test_a_completed_task_lists_its_files_and_usage(world: World) -> None:
    position = await world.happen(PLACE, requested(), started(), completed())
    (task,) = (await world.views.tasks.list(status="completed")).items
    assert task.modified_files == ("src/größe.py",)
    assert task.usage.input == 120
    assert (task.diff, task.actions, task.cause) == (None, None, None)
    assert (task.changed, task.added_lines, task.deleted_lines) == (1, 3, 1)
    assert task.position == position - 1


async def test_a_task_alone_shows_texts_diff_and_files(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    task = await world.views.tasks.get(event_examples.TURN)
    assert task is not None
    assert task.prompt == "Fix Ada's engine"
    assert task.answer == "Ada's engine is fixed"
    assert task.diff == "--- a/Ada\n+++ b/Ada\n"
    assert task.files[0].path == "src/größe.py"
    assert (task.baseline, task.final) == ("1" * 40, "2" * 40)
    assert task.timings == {"queue": 1.5, "agent": 120.25}
    assert (task.actions, task.message) == ((), None)


async def test_a_task_reads_what_became_a_payload(world: World) -> None:
    actions = await world.log.seal(event_examples.USER, orjson.dumps([{"action_id": "atr_1"}]))
    answer = await world.log.seal(event_examples.USER, b"a long answer")
    end = attrs.evolve(event_examples.END, actions=actions.ref)
    event = event_examples.turn_completed(
        end=end, answer="a lo", answer_payload=answer.ref, finish_reason="length"
    )
    await world.happen(PLACE, requested(), started())
    cause = event_examples.CAUSE
    await world.log.append([Append(SESSION, 3, [event])], cause, [actions, answer])
    await world.views.wait_for(world.log.head(), 10)
    task = await world.views.tasks.get(event_examples.TURN)
    assert task is not None
    assert task.answer == "a long answer"
    assert task.finish_reason == "length"
    assert task.actions == ({"action_id": "atr_1"},)


async def test_a_failed_task_says_why(world: World) -> None:
    await world.happen(PLACE, requested(), started(), failed())
    task = await world.views.tasks.get(event_examples.TURN)
    assert task is not None
    assert (task.status, task.code, task.cause) == ("failed", "agent_failed", "crashed")
    assert task.message == "the agent lost Ada's file"
    assert task.answer == "Ada, I was about to"


async def test_an_unknown_task_is_none(world: World) -> None:
    assert await world.views.tasks.get("trn_none") is None


async def test_a_forgotten_user_leaves_a_task_without_texts(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    world.keys.forget(event_examples.USER)
    task = await world.views.tasks.get(event_examples.TURN)
    assert task is not None
    assert (task.prompt, task.answer, task.diff) == (None, None, None)
    assert (task.files, task.modified_files) == (None, None)
    assert task.status == "completed"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"user_id": event_examples.USER}, 2),
        ({"user_id": event_examples.OTHER_USER}, 0),
        ({"session_id": event_examples.SESSION, "status": "failed"}, 1),
        ({"workspace_id": event_examples.WORKSPACE, "provider": "codex"}, 2),
        ({"account_id": event_examples.ACCOUNT}, 1),
        ({"provider": "gemini"}, 0),
        ({"since": event_examples.SOON}, 0),
        ({"until": event_examples.NOW}, 2),
    ],
)
async def test_tasks_are_filtered(world: World, filters: dict[str, object], found: int) -> None:
    await world.happen(PLACE, requested(), started(), failed(), requested("trn_2"))
    page = await world.views.tasks.list(**filters)  # type: ignore[arg-type]
    assert len(page.items) == found


# ------------------------------------------------------------------ sessions


async def test_an_opened_session_is_idle_and_has_a_label(world: World) -> None:
    await world.happen(PLACE, {SESSION: [event_examples.session_opened()]})
    (session,) = (await world.views.sessions.list()).items
    assert session.status == "idle"
    assert session.client_session_id == "Ada's conversation"
    assert session.workspace == "Ada's notes"
    assert (session.turns, session.dirty, session.backend_id) == (0, False, None)


async def test_a_session_with_a_turn_is_active(world: World) -> None:
    await world.happen(PLACE, requested())
    session = await world.views.sessions.get(event_examples.SESSION)
    assert session is not None
    assert (session.status, session.turns) == ("active", 1)
    assert session.last_task_id == event_examples.TURN


async def test_a_session_is_idle_after_a_good_turn(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    session = await world.views.sessions.get(event_examples.SESSION)
    assert session is not None
    assert (session.status, session.backend_id) == ("idle", "backend-1")


async def test_a_session_is_dirty_after_a_turn_that_had_started_and_failed(world: World) -> None:
    await world.happen(PLACE, requested(), started(), failed())
    session = await world.views.sessions.get(event_examples.SESSION)
    assert session is not None
    assert (session.status, session.dirty) == ("dirty", True)


async def test_a_turn_that_never_started_leaves_no_dirt(world: World) -> None:
    await world.happen(PLACE, requested(), {SESSION: [event_examples.turn_cancelled()]})
    session = await world.views.sessions.get(event_examples.SESSION)
    assert session is not None
    assert session.status == "idle"


async def test_a_reset_cleans_a_session(world: World) -> None:
    await world.happen(
        PLACE, requested(), started(), failed(), {SESSION: [event_examples.session_reset()]}
    )
    session = await world.views.sessions.get(event_examples.SESSION)
    assert session is not None
    assert (session.status, session.backend_id) == ("idle", None)


async def test_a_session_expires_by_the_clock_alone(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    world.clock.move(hours=1)
    page = await world.views.sessions.list(status="expired")
    assert [session.status for session in page.items] == ["expired"]
    assert await world.views.sessions.count() == {"expired": 1}


async def test_a_noted_expiry_reads_the_same_until_the_next_turn(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    await world.happen({SESSION: [event_examples.session_expired()]})
    assert len((await world.views.sessions.list(status="expired")).items) == 1
    await world.happen(requested("trn_2"))
    assert len((await world.views.sessions.list(status="active")).items) == 1


# ------------------------------------------------------------------ workspaces


async def test_a_workspace_shows_who_works_in_it(world: World) -> None:
    await world.happen(PLACE, requested(), started())
    workspace = await world.views.workspaces.get(event_examples.WORKSPACE)
    assert workspace is not None
    assert (workspace.label, workspace.path) == ("Ada's notes", "/srv/Ada/notes")
    assert (workspace.locked_by, workspace.sessions) == (event_examples.TURN, 1)
    assert len((await world.views.workspaces.list(locked=True)).items) == 1


async def test_a_lock_whose_time_is_over_is_none(world: World) -> None:
    await world.happen(PLACE, requested(), started())
    world.clock.move(hours=1)
    workspace = await world.views.workspaces.get(event_examples.WORKSPACE)
    assert workspace is not None
    assert (workspace.locked_by, workspace.locked_until) == (None, None)


async def test_a_workspace_remembers_its_last_diff(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    (workspace,) = (await world.views.workspaces.list(locked=False)).items
    assert workspace.locked_by is None
    assert workspace.last_diff.task_id == event_examples.TURN
    assert (workspace.turns, workspace.tree) == (1, "2" * 40)


async def test_workspaces_are_those_of_one_user(world: World) -> None:
    await world.happen(PLACE)
    assert len((await world.views.workspaces.list(user_id=event_examples.USER)).items) == 1
    assert (await world.views.workspaces.list(user_id=event_examples.OTHER_USER)).items == []


# ------------------------------------------------------------------ accounts


async def test_a_registered_account_is_ready_and_its_quota_unseen(world: World) -> None:
    await world.happen(REGISTERED)
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert (account.status, account.windows, account.last_used_at) == ("ready", None, None)
    assert (account.label, account.auth_type) == ("Ada's account", "API_KEY")
    assert (account.fingerprint, account.cli_primary) == ("0123456789abcdef", False)


async def test_a_cooling_account_says_until_when_and_is_ready_by_itself(world: World) -> None:
    await world.happen(REGISTERED, {ACCOUNT: [event_examples.health_changed()]})
    (account,) = (await world.views.accounts.list(status="cooldown")).items
    assert (account.cause, account.until) == ("rate_limited", SOON)
    assert account.evidence == "429 from Ada's provider"
    world.clock.move(hours=1)
    (account,) = (await world.views.accounts.list(status="ready")).items
    assert (account.cause, account.until) == (None, None)


async def test_an_expired_account_does_not_heal_by_waiting(world: World) -> None:
    broken = event_examples.health_changed(after="expired", cause="auth_failed", until=None)
    await world.happen(REGISTERED, {ACCOUNT: [broken]})
    world.clock.move(days=400)
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert account.status == "expired"


async def test_headroom_is_what_the_fullest_window_leaves(world: World) -> None:
    windows = (
        event_examples.WINDOW,
        QuotaWindow(name="weekly", used_percent=70.0, minutes=None, resets_at=None),
        QuotaWindow(name="unknown", used_percent=None, minutes=None, resets_at=None),
    )
    await world.happen(REGISTERED, {QUOTA: [event_examples.quota_observed(windows=windows)]})
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert standing.headroom == 30.0
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert [window.name for window in account.windows] == ["5h", "weekly", "unknown"]


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ({"resets_at": event_examples.NOW + timedelta(minutes=5)}, timedelta(minutes=5)),
        ({"minutes": 300}, timedelta(hours=5)),
        ({}, UNTOLD),
    ],
)
async def test_a_full_window_is_empty_again_once_it_has_ended(
    world: World, told: dict[str, Any], ends: timedelta
) -> None:
    full = QuotaWindow(
        **{"name": "5h", "used_percent": 100.0, "minutes": None, "resets_at": None} | told
    )
    await world.happen(REGISTERED, {QUOTA: [event_examples.quota_observed(windows=(full,))]})
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert standing.headroom == 0.0
    world.clock.move(seconds=ends.total_seconds() + 1)
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert standing.headroom == 100.0


def full_window(minutes: int) -> Event:
    end = event_examples.NOW + timedelta(minutes=minutes)
    window = QuotaWindow(name="5h", used_percent=100.0, minutes=None, resets_at=end)
    return event_examples.quota_observed(windows=(event_examples.WINDOW, window))


async def test_an_account_with_a_full_window_is_exhausted_until_the_window_ends(
    world: World,
) -> None:
    await world.happen(REGISTERED, {QUOTA: [full_window(60)]})
    (account,) = (await world.views.accounts.list(status="exhausted")).items
    assert (account.cause, account.until) == ("quota_exhausted", SOON)
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert standing.full_until == event_examples.NOW + timedelta(hours=1)
    world.clock.move(hours=1)
    (account,) = (await world.views.accounts.list(status="ready")).items
    assert account.until is None


@pytest.mark.parametrize(
    ("minutes", "shown"),
    [
        (59, ("cooldown", "rate_limited", SOON)),
        (61, ("exhausted", "quota_exhausted", "2026-03-01T13:01:00.000000+00:00")),
    ],
)
async def test_of_a_cooldown_and_a_full_window_the_one_that_ends_last_is_shown(
    world: World, minutes: int, shown: tuple[str, str, str]
) -> None:
    facts = {ACCOUNT: [event_examples.health_changed()], QUOTA: [full_window(minutes)]}
    await world.happen(REGISTERED, facts)
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert (account.status, account.cause, account.until) == shown


async def test_an_account_that_is_refused_stays_so_whatever_its_windows_say(world: World) -> None:
    broken = event_examples.health_changed(after="error", cause="auth_failed", until=None)
    await world.happen(REGISTERED, {ACCOUNT: [broken], QUOTA: [full_window(60)]})
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert (account.status, account.until) == ("error", None)


async def test_windows_that_were_forgotten_are_unseen_again(world: World) -> None:
    await world.happen(REGISTERED, {QUOTA: [full_window(60)]})
    await world.happen({QUOTA: [event_examples.quota_observed(windows=(), source="operator")]})
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert (account.status, account.windows, account.headroom) == ("ready", None, None)


async def test_a_login_says_when_it_was_refreshed_until_another_one_is_handed_in(
    world: World,
) -> None:
    token = streams.token(event_examples.ACCOUNT)
    await world.happen(REGISTERED, {token: [event_examples.token_refreshed(fingerprint="next")]})
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert account.refreshed_at == event_examples.NOW.isoformat(timespec="microseconds")
    assert (account.token_expires_at, account.fingerprint) == (SOON, "next")
    await world.happen({ACCOUNT: [event_examples.credential_stored(fingerprint="another")]})
    account = await world.views.accounts.get(event_examples.ACCOUNT)
    assert account is not None
    assert (account.refreshed_at, account.token_expires_at) == (None, None)


async def test_an_account_was_used_when_a_turn_started_on_it(world: World) -> None:
    await world.happen(REGISTERED, PLACE, requested(), started())
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert standing.last_used_at == event_examples.NOW
    assert (standing.status, standing.headroom, standing.primary) == ("ready", None, False)


async def test_an_account_was_used_when_it_took_a_turn_over(world: World) -> None:
    await world.happen(
        REGISTERED, PLACE, requested(), {SESSION: [event_examples.account_changed()]}
    )
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert standing.last_used_at == event_examples.NOW


async def test_a_cooldown_that_is_over_does_not_keep_an_account_from_being_lent(
    world: World,
) -> None:
    until = event_examples.NOW + timedelta(minutes=5)
    cooling = event_examples.health_changed(after="cooldown", cause="rate_limited", until=until)
    await world.happen(REGISTERED, {ACCOUNT: [cooling]})
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert (standing.status, standing.until) == ("cooldown", until)
    world.clock.move(minutes=5)
    (standing,) = await world.views.account_standings.of_provider("codex")
    assert (standing.status, standing.until) == ("ready", None)


async def test_accounts_are_ranked_from_memory_until_the_read_models_move(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.happen(REGISTERED, PLACE)
    (before,) = await world.views.account_standings.of_provider("codex")
    with monkeypatch.context() as without:
        without.delattr(Reader, "rows")
        assert await world.views.account_standings.of_provider("codex") == [before]
        assert await world.views.account_standings.of_provider("gemini") == []
    await world.happen(requested(), started())
    (after,) = await world.views.account_standings.of_provider("codex")
    assert after.last_used_at == event_examples.NOW


async def test_the_accounts_are_read_again_behind_what_happens_and_not_with_the_next_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = asyncio.Event()
    rows = Reader.rows

    async def seen(reader: Reader, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        found = await rows(reader, sql, parameters)
        if reader is world.views.account_standings.reader:
            asyncio.get_running_loop().call_soon(read.set)
        return found

    monkeypatch.setattr(Reader, "rows", seen)
    await world.happen(REGISTERED)
    async with asyncio.timeout(10):
        await read.wait()
    monkeypatch.delattr(Reader, "rows")
    assert len(await world.views.account_standings.of_provider("codex")) == 1


async def test_a_removed_account_is_gone(world: World) -> None:
    await world.happen(REGISTERED, {ACCOUNT: [event_examples.account_removed()]})
    assert await world.views.accounts.get(event_examples.ACCOUNT) is None
    assert list(await world.views.account_standings.of_provider("codex")) == []


# ------------------------------------------------------------------ users


async def test_a_user_with_a_key(world: World) -> None:
    await world.happen(
        {USER: [event_examples.user_provisioned()], KEY: [event_examples.key_issued()]}
    )
    user = await world.views.users.get(event_examples.USER)
    assert user is not None
    assert (user.email, user.display_name) == ("ada@example.org", "Ada Lovelace")
    assert (user.status, user.role, user.active_keys) == ("active", "user", 1)
    assert [(key.key_id, key.label, key.status) for key in user.api_keys] == [
        (event_examples.KEY, "Ada's laptop", "active")
    ]


async def test_a_key_expires_by_the_clock(world: World) -> None:
    await world.happen(
        {USER: [event_examples.user_provisioned()], KEY: [event_examples.key_issued()]}
    )
    world.clock.move(hours=1)
    user = await world.views.users.get(event_examples.USER)
    assert user is not None
    assert (user.active_keys, user.api_keys[0].status) == (0, "expired")


async def test_a_revoked_key_stays_in_the_list(world: World) -> None:
    await world.happen(
        {USER: [event_examples.user_provisioned()], KEY: [event_examples.key_issued()]}
    )
    await world.happen({KEY: [event_examples.key_revoked()]})
    (key,) = await world.views.users.keys(event_examples.USER)
    assert (key.status, key.revoked_at) == ("revoked", T)


async def test_the_stream_of_a_key_is_found_by_its_id(world: World) -> None:
    await world.happen({KEY: [event_examples.key_issued()]})
    assert await world.views.users.key_stream(event_examples.KEY) == KEY
    assert await world.views.users.key_stream("key_none") is None


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([event_examples.user_suspended()], "suspended"),
        ([event_examples.user_suspended(), event_examples.user_restored()], "active"),
        ([event_examples.user_deleted()], "deleted"),
    ],
)
async def test_a_user_has_the_status_said_last(
    world: World, events: list[Event], status: str
) -> None:
    await world.happen(
        {USER: [event_examples.user_provisioned(), event_examples.user_updated(), *events]}
    )
    (user,) = (await world.views.users.list(status=status)).items
    assert (user.max_concurrency, user.display_name) == (8, "Ada King")


async def test_a_forgotten_user_has_no_name(world: World) -> None:
    await world.happen({USER: [event_examples.user_provisioned()]})
    world.keys.forget(event_examples.USER)
    user = await world.views.users.by_id(event_examples.USER)
    assert user is not None
    assert (user.email, user.display_name) == (None, None)


# ------------------------------------------------------------------ audit


async def test_the_trail_tells_who_did_what_to_what(world: World) -> None:
    position = await world.happen(REGISTERED, actor="operator:op_1")
    (entry,) = (await world.views.audit.list(action="account.registered")).items
    assert entry.actor == "operator:op_1"
    assert (entry.target_type, entry.target_id) == ("account", event_examples.ACCOUNT)
    assert entry.details == {
        "account_id": event_examples.ACCOUNT,
        "provider": "codex",
        "auth_type": "API_KEY",
    }
    assert entry.position == position - 1
    assert entry.correlation_id == "trc_1"


async def test_the_trail_holds_no_private_text(world: World) -> None:
    await world.happen(PLACE, REGISTERED, requested(), started(), completed())
    assert "Ada" not in str((await world.views.audit.list(limit=200)).items)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"action": "no.such_action"}, 0),
        ({"actor": f"user:{event_examples.USER}", "action": "session.opened"}, 1),
        ({"target_type": "session"}, 5),
        ({"target_type": "task"}, 7),
        ({"target_id": event_examples.TURN, "action": "workspace.diff_recorded"}, 1),
        ({"search": event_examples.WORKSPACE, "action": "session.opened"}, 1),
        ({"search": "%"}, 0),
        ({"search": "SES_1", "target_type": "workspace"}, 1),
        ({"user_id": event_examples.OTHER_USER}, 0),
        ({"since": event_examples.SOON}, 0),
    ],
)
async def test_the_trail_is_filtered(world: World, filters: dict[str, object], found: int) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    await world.happen({SESSION: [event_examples.session_reset()]})
    page = await world.views.audit.list(**filters)  # type: ignore[arg-type]
    assert len(page.items) == found, [item.action for item in page.items]


async def test_one_event_of_the_trail(world: World) -> None:
    await world.happen(PLACE)
    (entry,) = (await world.views.audit.list(search=event_examples.WORKSPACE)).items
    assert await world.views.audit.get(entry.event_id) == entry
    assert list(await world.views.audit.actions()) == ["log.opened", "workspace.provisioned"]


async def test_leases_and_names_are_no_part_of_the_trail(world: World) -> None:
    await world.happen(
        {"lease/account/acc_1/0": [event_examples.lease_taken(), event_examples.lease_released()]},
        {"name/ffff": [event_examples.name_claimed()]},
    )
    assert [item.action for item in (await world.views.audit.list()).items] == ["log.opened"]


# ------------------------------------------------------------------ unfinished


async def test_unfinished_turns_and_jails(world: World) -> None:
    await world.happen(PLACE, requested(), started(), {JAIL: [event_examples.jail_started()]})
    (turn,) = await world.views.unfinished.turns()
    assert (turn.turn_id, turn.session_id, turn.started) == (
        event_examples.TURN,
        event_examples.SESSION,
        True,
    )
    (jail,) = await world.views.unfinished.jails()
    assert (jail.jail_id, jail.inner_pid, jail.start_time) == (event_examples.JAIL, 4711, 123456)


@pytest.mark.parametrize("end", [event_examples.jail_exited(), event_examples.jail_killed()])
async def test_what_has_ended_is_not_unfinished(world: World, end: Event) -> None:
    await world.happen(PLACE, requested(), started(), {JAIL: [event_examples.jail_started()]})
    await world.happen(ended(event_examples.turn_cancelled()), {JAIL: [end]})
    assert list(await world.views.unfinished.turns()) == []
    assert list(await world.views.unfinished.jails()) == []


# ------------------------------------------------------------------ pages


async def test_pages_have_neither_gaps_nor_repeats_while_tasks_change(world: World) -> None:
    await world.happen(PLACE, *(requested(f"trn_{n}") for n in range(1, 8)))
    seen, cursor = [], None
    for round_ in range(4):
        page = await world.views.tasks.list(limit=2, cursor=cursor)
        seen += [task.task_id for task in page.items]
        cursor = page.cursor
        assert page.has_more == (round_ < 3)
        await world.happen(started(f"trn_{round_ + 1}"), requested(f"trn_new_{round_}"))
    assert seen == [f"trn_{n}" for n in range(7, 0, -1)]
    assert cursor is None


async def test_a_page_that_is_exactly_full_is_the_last(world: World) -> None:
    await world.happen(PLACE, requested(), requested("trn_2"))
    page = await world.views.tasks.list(limit=2)
    assert (len(page.items), page.has_more, page.cursor) == (2, False, None)


@pytest.mark.parametrize(
    "cursor", ["x", "YmVmb3JlOi0x", "é", "YmVmb3JlOjk5OTk5OTk5OTk5OTk5OTk5OTk5"]
)
async def test_a_strange_cursor_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await world.views.tasks.list(cursor=cursor)
    assert refusal.value.param == "cursor"


async def test_a_limit_below_one_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest):
        await world.views.audit.list(limit=0)


async def test_a_workspace_stream_holds_its_facts(world: World) -> None:
    await world.happen(PLACE, {WORKSPACE: [event_examples.workspace_locked()]})
    assert len((await world.views.audit.list(target_id=event_examples.WORKSPACE)).items) == 2


async def test_one_off_calls_are_listed_only_where_they_are_asked_for(world: World) -> None:
    wanted = requested(origin="new")
    opened = event_examples.session_opened(origin="new", client_session_id="")
    await world.happen(PLACE, {**wanted, SESSION: [opened, wanted[SESSION][-1]]})
    await world.happen(started(), completed())
    assert (await world.views.sessions.list()).items == []
    (session,) = (await world.views.sessions.list(every=True)).items
    assert (session.origin, session.client_session_id) == ("new", None)
    world.clock.move(days=400)
    assert await world.views.sessions.due(world.clock(), 10) == []
    session = await world.views.sessions.get(event_examples.SESSION)
    assert session is not None
    assert session.status == "expired"
    await world.happen(requested("trn_2", origin="new"), started("trn_2"), completed("trn_2"))
    assert len((await world.views.sessions.list()).items) == 1
