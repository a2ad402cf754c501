"""Views over a log: following it, failing, being thrown away, being rebuilt."""

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from read_model_setup import (
    ACCOUNT,
    KEY,
    PLACE,
    SESSION,
    USER,
    World,
    completed,
    requested,
    started,
)

from codara.events.base import Recorded
from codara.events.store.log import EventLog
from codara.projections.engine import manifest, runner
from codara.projections.engine.base import Statement
from codara.projections.engine.store import digest
from codara.projections.users import UsersProjection
from codara.projections.views import PROJECTIONS, Views
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

HISTORY = (PLACE, requested(), started(), completed(), requested("trn_2"))


class Failing(UsersProjection):
    """Fails at every event it is given, while `broken`."""

    broken: Exception | None = None

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        if self.broken is not None:
            raise self.broken
        return super().apply(recorded)


def with_users(failing: Failing) -> list[object]:
    return [failing if p.name == failing.name else p for p in PROJECTIONS]


async def digests(views: Views) -> dict[str, str]:
    return {name: await asyncio.to_thread(digest, path) for name, path in views.files().items()}


async def test_whoever_waits_hears_when_the_views_are_there(world: World) -> None:
    position = await world.write(PLACE)
    assert await world.views.wait_for(position, 10)
    assert world.views.position() >= position
    assert len((await world.views.workspaces.list()).items) == 1


async def test_many_wait_for_different_positions(world: World) -> None:
    first = world.log.head()
    waits = [world.views.wait_for(first + n, 10) for n in (3, 1, 2)]
    waiting = asyncio.gather(*waits)
    await world.write(PLACE, requested())
    assert await waiting == [True, True, True]


async def test_events_gather_until_somebody_waits_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LULL_SECONDS", 60.0)
    before = await world.happen(PLACE)
    await world.write(requested())
    position = await world.write(started())
    assert world.views.position() == before
    assert await world.views.wait_for(position, 10)


async def test_waiting_for_what_never_comes_has_an_end(world: World) -> None:
    assert not await world.views.wait_for(world.log.head() + 1, 0.01)
    position = await world.write(PLACE)
    assert await world.views.wait_for(position, 10)


async def test_whoever_waits_when_the_views_close_is_told(world: World) -> None:
    waiting = asyncio.create_task(world.views.wait_for(world.log.head() + 1, 60))
    await asyncio.sleep(0)
    await world.reopen()
    assert await waiting is False


async def test_views_that_follow_have_no_lag(world: World) -> None:
    await world.happen(*HISTORY)
    assert (world.views.lag(), world.views.failures()) == (0.0, {})


@pytest.mark.parametrize("kept", ["nothing", "manifest", "no manifest", "broken manifest"])
async def test_without_files_the_answers_are_the_same(world: World, kept: str) -> None:
    await world.happen(*HISTORY)
    before, hashes = await world.everything(), await digests(world.views)
    await world.views.close()
    for path in sorted(world.folder.rglob("*"), reverse=True):
        if path.is_file() and (path.name != manifest.NAME or kept == "nothing"):
            path.unlink()
    if kept == "no manifest":
        (world.folder / manifest.NAME).unlink()
    if kept == "broken manifest":
        (world.folder / manifest.NAME).write_text('{"sessions": 7, "tasks": "../../x.db"')
    await world.reopen()
    assert await world.everything() == before
    assert await digests(world.views) == hashes


async def test_a_second_start_goes_on_where_the_first_ended(world: World) -> None:
    await world.happen(*HISTORY)
    files = world.views.files()
    await world.reopen()
    assert world.views.files() == files
    assert world.views.position() == world.log.head()


async def test_a_damaged_file_is_built_anew(world: World) -> None:
    await world.happen(*HISTORY)
    before = await world.everything()
    path = world.views.files()["tasks"]
    await world.views.close()
    path.write_bytes(b"\0" * path.stat().st_size)
    await world.reopen()
    assert world.views.files()["tasks"] != path
    assert not path.exists()
    assert await world.everything() == before


async def test_a_file_of_another_log_is_built_anew(world: World, tmp_path: Path) -> None:
    await world.happen(*HISTORY)
    await world.views.close()
    other = await EventLog.open(tmp_path / "other.db", FakeKeyRing())
    views = await Views.open(world.folder, other)
    await views.start()
    assert (await views.tasks.list()).items == []
    await views.close()
    await other.close()


async def test_a_file_ahead_of_the_log_is_built_anew(world: World) -> None:
    await world.happen(*HISTORY)
    path = world.views.files()["tasks"]
    await world.views.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE progress SET position = position + 1000")
    db.close()
    await world.reopen()
    assert world.views.files()["tasks"] != path
    assert len((await world.views.tasks.list()).items) == 2


async def test_a_file_folded_from_events_the_log_no_longer_has_is_built_anew(world: World) -> None:
    await world.happen(*HISTORY)
    path = world.views.files()["tasks"]
    await world.views.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE progress SET event_id = 'evt_of_a_lost_future'")
    db.close()
    await world.reopen()
    assert world.views.files()["tasks"] != path


async def test_a_newer_version_leaves_the_old_file_behind(world: World) -> None:
    class Newer(UsersProjection):
        version = 2

    path = world.views.files()["users"]
    await world.reopen([Newer() if p.name == "users" else p for p in PROJECTIONS])
    assert world.views.files()["users"].name.startswith("2-")
    assert not path.exists()


async def test_a_failing_read_model_is_named_and_the_others_go_on(world: World) -> None:
    failing = Failing()
    await world.reopen(with_users(failing))
    failing.broken = ValueError("a defect")
    position = await world.write({USER: [event_examples.user_provisioned()]}, PLACE)
    assert not await world.views.wait_for(position, 10)
    assert world.views.failures() == {"users": "ValueError: a defect"}
    assert len((await world.views.workspaces.list()).items) == 1
    assert world.views.position() == position
    later = await world.write(requested())
    assert not await world.views.wait_for(later, 60)
    assert len((await world.views.tasks.list()).items) == 1


async def test_a_dead_read_model_lives_again_after_a_restart(world: World) -> None:
    failing = Failing()
    await world.reopen(with_users(failing))
    failing.broken = ValueError("a defect")
    await world.happen({USER: [event_examples.user_provisioned()]}, PLACE)
    await world.reopen()
    assert world.views.failures() == {}
    assert len((await world.views.users.list()).items) == 1


async def test_a_read_model_without_room_is_named_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codara.projections.engine.runner.RETRY_SECONDS", 0.01)
    failing = Failing()
    await world.reopen(with_users(failing))
    failing.broken = sqlite3.OperationalError("database or disk is full")
    position = await world.write(
        {USER: [event_examples.user_provisioned()], KEY: [event_examples.key_issued()]}
    )
    assert not await world.views.wait_for(position, 10)
    assert world.views.failures() == {"users": "OperationalError: database or disk is full"}
    assert world.views.position() < position
    failing.broken = None
    async with asyncio.timeout(30):
        while world.views.failures():
            position = await world.write({SESSION: [event_examples.session_reset()]})
            await world.views.wait_for(position, 1)
    assert (await world.views.users.list()).items[0].active_keys == 1
    assert await world.views.wait_for(position, 10)


async def test_a_rebuilt_read_model_takes_over_while_the_log_grows(world: World) -> None:
    await world.happen(*HISTORY)
    before, path = await digests(world.views), world.views.files()["tasks"]
    heard: list[int] = []
    await world.views.rebuild("tasks", progress=heard.append)
    assert heard == [world.log.head()]
    assert world.views.files()["tasks"] != path
    assert not path.exists()
    assert await digests(world.views) == before
    await world.happen(started("trn_2"))
    assert [task.status for task in (await world.views.tasks.list()).items] == [
        "running",
        "completed",
    ]
    files = world.views.files()
    await world.reopen()
    assert world.views.files() == files


async def test_a_rebuild_brings_a_dead_read_model_back(world: World) -> None:
    failing = Failing()
    await world.reopen(with_users(failing))
    failing.broken = ValueError("a defect")
    await world.happen({USER: [event_examples.user_provisioned()]})
    failing.broken = None
    await world.views.rebuild("users")
    assert world.views.failures() == {}
    assert len((await world.views.users.list()).items) == 1


async def test_accounts_are_ranked_from_the_file_that_took_over(world: World) -> None:
    await world.happen({ACCOUNT: [event_examples.account_registered()]})
    assert len(await world.views.account_standings.of_provider("codex")) == 1
    with closing(sqlite3.connect(world.views.files()["accounts"])) as file, file:
        file.execute("DELETE FROM accounts")
    await world.views.account_standings.remember()
    assert await world.views.account_standings.of_provider("codex") == []
    await world.views.rebuild("accounts")
    assert len(await world.views.account_standings.of_provider("codex")) == 1


async def test_views_can_stop_at_a_position(world: World, tmp_path: Path) -> None:
    await world.happen(PLACE, requested())
    then = world.log.head()
    await world.happen(started(), completed())
    views = await Views.open(tmp_path / "then", world.log, clock=world.clock)
    await views.catch_up(then)
    assert [task.status for task in (await views.tasks.list()).items] == ["pending"]
    assert views.position() == then
    await views.close()


async def test_projecting_touches_no_key(world: World) -> None:
    opened = world.keys.opened
    await world.happen(*HISTORY)
    assert world.keys.opened == opened
