"""Log, vault and folders belong together, or a start says what is wrong and makes nothing."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from codara.adapters.installation.finding import find
from codara.adapters.installation.marks import MARKED, mark_of
from codara.adapters.vault.vault import FileVault
from codara.bootstrap.store import OpenStore, open_store
from codara.config.load import Loaded, load
from codara.errors import DataMismatch, LogDamaged, LogLocked
from codara.events import streams
from codara.events.base import GATEWAY_SUBJECT, Cause
from codara.events.gateway import GatewayStopped, LogVaultNoted
from codara.events.store.log import EventLog
from codara.events.store.seen import look

CAUSE = Cause(actor="cli", correlation_id="c")
LOG, VAULT = "events.db", "keys.db"


def loaded_from(data_dir: Path) -> Loaded:
    environ = {"CODARA_DATA_DIR": str(data_dir), "CODARA_JAIL_MODE": "unsafe"}
    return load(environ={**environ, "XDG_CONFIG_HOME": str(data_dir.parent)})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@asynccontextmanager
async def opened(data: Path, *, accept_loss: bool = False) -> AsyncIterator[OpenStore]:
    async with open_store(loaded_from(data), "gtw_1", accept_loss=accept_loss) as store:
        yield store


async def live(store: OpenStore, name: str) -> None:
    """A fact that nobody else has, a key and a credential."""
    await store.vault.ensure(f"usr_{name}")
    await store.vault.store(f"acc-{name}", b"sk-secret")
    await store.deciding.note(streams.GATEWAY, [GatewayStopped(gateway_id=name)], CAUSE)


async def lived(data: Path, *names: str) -> None:
    """An installation that did something, and was stopped in order."""
    async with opened(data) as store:
        for name in names:
            await live(store, name)


def files(data: Path) -> dict[str, bytes]:
    """Every file that a start could have made or changed."""
    held = {
        path
        for path in data.rglob("*")
        if path.is_file() and not path.name.endswith((".lock", "-shm"))
    }
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(held)}


def put_back(backup: Path, data: Path, *names: str) -> None:
    """Files of a backup in place of those that are there."""
    for name in names:
        for each in data.glob(f"{name}*"):
            each.unlink()
        for each in backup.glob(f"{name}*"):
            shutil.copy(each, data / each.name)


def copied(data: Path, name: str) -> Path:
    return Path(shutil.copytree(data, data.parent / name))


async def refused(data: Path, *, accept_loss: bool = False) -> str:
    """The words of a refusal, after which everything is as before."""
    before = files(data)
    with pytest.raises(DataMismatch) as error:
        async with opened(data, accept_loss=accept_loss):
            raise AssertionError("it is open")
    assert files(data) == before
    return error.value.message


async def starts_quietly(data: Path) -> str:
    """The id of an installation in which nothing is wrong, twice."""
    for _ in range(2):
        async with opened(data) as store:
            assert (store.verdict.losses, store.verdict.missing) == ((), ())
            log_id = store.log.log_id
    found = find(data, data / LOG)
    assert found.vault is not None
    assert found.vault.log_id == log_id
    assert {mark_of(data / name) for name in MARKED} == {log_id}
    return log_id


# ------------------------------------------------------------------ the ids


async def test_an_empty_place_becomes_an_installation_with_one_id(data: Path) -> None:
    async with opened(data) as store:
        log_id = store.log.log_id
        assert {mark_of(data / name) for name in MARKED} == {log_id}
    assert await starts_quietly(data) == log_id


async def test_the_vault_keeps_the_last_event_that_there_was_at_the_stop(data: Path) -> None:
    async with opened(data) as store:
        await live(store, "one")
    vault, log = find(data, data / LOG).vault, look(data / LOG, 0)
    assert vault is not None
    assert vault.seen is not None
    assert log is not None
    assert vault.seen.position == log.head > 2
    at_head = look(data / LOG, log.head)
    assert at_head is not None
    assert at_head.there == vault.seen


async def test_an_old_installation_is_adopted_as_it_is(data: Path) -> None:
    await an_old_installation(data)
    async with opened(data) as store:
        log_id = store.log.log_id
        assert not store.verdict.is_known
        assert await store.vault.credential("acc-one") == b"sk-secret"
    assert await starts_quietly(data) == log_id


async def test_an_old_installation_without_its_log_is_not_begun_again(data: Path) -> None:
    await an_old_installation(data)
    put_back(data / "nothing", data, LOG)
    assert f"{data / LOG} is missing" in await refused(data)


async def test_who_is_late_does_not_look_at_what_somebody_else_makes(data: Path) -> None:
    async with opened(data):
        with pytest.raises(LogLocked):
            async with opened(data):
                raise AssertionError("it is open")


async def an_old_installation(data: Path) -> None:
    """What a version without ids left: a vault without a table for them, and no marks."""
    vault = await FileVault.open(data)
    await vault.ensure(GATEWAY_SUBJECT)
    await vault.store("acc-one", b"sk-secret")
    await (await EventLog.open(data / LOG, vault)).close()
    await vault.close()
    with closing(sqlite3.connect(data / VAULT)) as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE log_seen")
        db.execute("DROP TABLE changes")


# ------------------------------------------------------------------ missing, empty


def unlink(file: Path) -> None:
    file.unlink()


def cut_to_nothing(file: Path) -> None:
    file.write_bytes(b"")


def without_rows(file: Path) -> None:
    """The tables are there, and nothing in them."""
    with closing(sqlite3.connect(file)) as db:
        statements = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master") if sql]
    file.unlink()
    with closing(sqlite3.connect(file)) as db:
        for sql in statements:
            if "sqlite_" not in sql:
                db.execute(sql)


GONE = [unlink, cut_to_nothing, without_rows]


@pytest.mark.parametrize("accept_loss", [False, True])
@pytest.mark.parametrize("gone", GONE)
async def test_no_log_is_made_beside_a_vault_that_had_one(
    data: Path, gone: Callable[[Path], None], accept_loss: bool
) -> None:
    await lived(data, "one")
    gone(data / LOG)
    said = await refused(data, accept_loss=accept_loss)
    assert f"{data / LOG} is {'missing' if gone is unlink else 'empty'}" in said
    assert "Put events.db back" in said


@pytest.mark.parametrize("accept_loss", [False, True])
@pytest.mark.parametrize("gone", GONE)
async def test_no_vault_is_made_beside_a_log(
    data: Path, gone: Callable[[Path], None], accept_loss: bool
) -> None:
    await lived(data, "one")
    gone(data / VAULT)
    said = await refused(data, accept_loss=accept_loss)
    assert f"{data / VAULT} is {'missing' if gone is unlink else 'empty'}" in said
    assert "Put keys.db back" in said


@pytest.mark.parametrize("folder", ["trees", "homes", "views", "spool"])
async def test_neither_is_made_beside_old_folders(data: Path, folder: str) -> None:
    (data / folder).mkdir()
    (data / folder / "wsp_1").mkdir()
    said = await refused(data, accept_loss=True)
    assert f"{data / VAULT} is missing, but {data / folder} is here" in said
    assert "Put keys.db and events.db back" in said


async def test_files_that_are_no_database_are_named_as_that(data: Path) -> None:
    await lived(data, "one")
    for name in (VAULT, LOG):
        kept = (data / name).read_bytes()
        (data / name).write_bytes(b"garbage" * 2_000)
        with pytest.raises(LogDamaged, match=name):
            async with opened(data, accept_loss=True):
                raise AssertionError("it is open")
        (data / name).write_bytes(kept)


# ------------------------------------------------------------------ of another installation


@pytest.mark.parametrize("name", [LOG, VAULT])
@pytest.mark.parametrize("accept_loss", [False, True])
async def test_files_of_two_installations_are_not_taken_for_one(
    data: Path, tmp_path: Path, name: str, accept_loss: bool
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    await lived(data, "one")
    await lived(other, "two")
    put_back(other, data, name)
    said = await refused(data, accept_loss=accept_loss)
    assert f"{data / LOG} is of installation log_" in said
    assert f"{data / VAULT} is of log_" in said


@pytest.mark.parametrize("name", MARKED)
async def test_a_folder_of_another_installation_is_refused(
    data: Path, tmp_path: Path, name: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    await lived(data, "one")
    await lived(other, "two")
    shutil.rmtree(data / name)
    shutil.copytree(other / name, data / name)
    assert f"{data / name} is of installation log_" in await refused(data, accept_loss=True)


@pytest.mark.parametrize("name", MARKED)
async def test_a_missing_folder_is_found_until_a_gateway_has_recorded_it(
    data: Path, name: str
) -> None:
    await lived(data, "one")
    shutil.rmtree(data / name)
    for _ in range(2):
        async with opened(data) as store:
            assert store.verdict.missing == (name,)


# ------------------------------------------------------------------ older


async def test_an_older_log_is_refused_and_then_accepted(data: Path) -> None:
    await lived(data, "one")
    backup = copied(data, "backup")
    await lived(data, "two")
    put_back(backup, data, LOG)
    said = await refused(data)
    assert f"{data / LOG} ends at position" in said
    assert "--accept-loss" in said
    async with opened(data, accept_loss=True) as store:
        assert store.verdict.losses == ("log_shorter",)


async def test_an_older_log_that_went_on_is_noticed_by_the_event_it_has_there(data: Path) -> None:
    await lived(data, "one")
    backup = copied(data, "backup")
    await lived(data, "two")
    newest_vault = copied(data, "newest")
    put_back(backup, data, LOG, VAULT)
    await lived(data, "three", "four", "five")
    put_back(newest_vault, data, VAULT)
    assert f"{data / LOG} has another event at position" in await refused(data)
    async with opened(data, accept_loss=True) as store:
        assert "log_other" in store.verdict.losses


async def test_an_older_vault_is_refused_and_then_accepted_for_good(data: Path) -> None:
    await lived(data, "one")
    backup = copied(data, "backup")
    await lived(data, "two")
    put_back(backup, data, VAULT)
    said = await refused(data)
    assert f"{data / VAULT} is an older copy" in said
    async with opened(data, accept_loss=True) as store:
        assert store.verdict.losses == ("vault_older",)
        await store.noter.begin()
    await starts_quietly(data)


async def test_a_vault_of_before_the_ids_is_an_older_one_beside_a_log_of_after(data: Path) -> None:
    await an_old_installation(data)
    backup = copied(data, "backup")
    await lived(data, "one")
    put_back(backup, data, VAULT)
    assert f"{data / VAULT} is an older copy" in await refused(data)


async def test_a_loss_is_told_again_until_the_noter_has_begun(data: Path) -> None:
    await lived(data, "one")
    backup = copied(data, "backup")
    await lived(data, "two")
    put_back(backup, data, LOG)
    async with opened(data, accept_loss=True):
        pass
    assert "ends at position" in await refused(data)
    async with opened(data, accept_loss=True) as store:
        await store.noter.begin()
    await starts_quietly(data)


@pytest.mark.parametrize("lost", [["events.db-wal"], ["events.db-wal", "keys.db-wal"]])
async def test_a_log_that_lost_its_wal_after_a_kill_is_noticed(
    data: Path, tmp_path: Path, lost: list[str]
) -> None:
    killed = tmp_path / "killed"
    await lived(data, "one")
    async with opened(data) as store:
        await live(store, "two")
        await store.noter.note_now()
        shutil.copytree(data, killed)
    assert (killed / "events.db-wal").exists()
    for name in lost:
        (killed / name).unlink()
    assert f"{killed / LOG} ends at position" in await refused(killed)


# ------------------------------------------------------------------ no false alarm


async def test_a_pair_from_one_backup_starts_quietly(data: Path) -> None:
    await lived(data, "one")
    backup = copied(data, "backup")
    await lived(data, "two")
    put_back(backup, data, LOG, VAULT)
    await starts_quietly(data)


async def test_a_kill_between_an_append_and_the_note_is_no_loss(data: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    async with opened(data) as store:
        await live(store, "one")
        shutil.copytree(data, killed)
    await starts_quietly(killed)


async def test_a_hole_in_the_log_is_not_called_an_older_copy(data: Path) -> None:
    """The log itself tells of damage: its numbers say that the event was there."""
    await lived(data, "one")
    head = look(data / LOG, 0)
    assert head is not None
    with closing(sqlite3.connect(data / LOG)) as db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM stored_events WHERE position = ?", (head.head,))
        db.commit()
    async with opened(data) as store:
        assert store.verdict.losses == ()


# ------------------------------------------------------------------ a first start that was killed


async def only_the_master_key(data: Path) -> None:
    await a_vault_without_keys(data)
    for each in data.glob("keys.db*"):
        each.unlink()


async def an_empty_vault(data: Path) -> None:
    (data / VAULT).touch()


async def a_vault_without_keys(data: Path) -> None:
    await (await FileVault.open(data)).close()


async def a_vault_with_the_gateways_key(data: Path) -> None:
    vault = await FileVault.open(data)
    await vault.ensure(GATEWAY_SUBJECT)
    await vault.close()


async def a_log_without_events(data: Path) -> None:
    await a_vault_with_the_gateways_key(data)
    (data / LOG).touch()


async def a_log_with_tables(data: Path) -> None:
    await a_vault_with_the_gateways_key(data)
    async with opened(data.parent):
        pass
    shutil.copy(data.parent / LOG, data / LOG)
    without_rows(data / LOG)


async def a_log_that_was_opened(data: Path) -> None:
    vault = await FileVault.open(data)
    await vault.ensure(GATEWAY_SUBJECT)
    log = await EventLog.open(data / LOG, vault)
    await log.close()
    await vault.close()


async def one_marked_folder(data: Path) -> None:
    await a_log_that_was_opened(data)
    found = look(data / LOG, 0)
    assert found is not None
    (data / "trees").mkdir()
    (data / "trees" / ".installation").write_text(found.log_id)


@pytest.mark.parametrize(
    "killed",
    [
        only_the_master_key,
        an_empty_vault,
        a_vault_without_keys,
        a_vault_with_the_gateways_key,
        a_log_without_events,
        a_log_with_tables,
        a_log_that_was_opened,
        one_marked_folder,
    ],
)
async def test_a_first_start_that_was_killed_is_gone_on_with(
    data: Path, killed: Callable[[Path], Awaitable[None]]
) -> None:
    await killed(data)
    await starts_quietly(data)
    await lived(data, "one")
    await starts_quietly(data)


# ------------------------------------------------------------------ the noter


async def test_the_log_records_how_often_the_vault_changed_but_only_when_it_did(
    data: Path,
) -> None:
    await lived(data, "one")
    await lived(data)
    async with opened(data) as store:
        recorded = await store.log.read(0)
        noted = [each.event for each in recorded if isinstance(each.event, LogVaultNoted)]
        assert noted[-1].changes == await store.vault.changes() == 3
        assert [each.changes for each in noted] == sorted({each.changes for each in noted})


async def test_a_start_without_anything_new_writes_nothing(data: Path) -> None:
    await lived(data, "one")
    await lived(data)
    before = look(data / LOG, 0)
    await lived(data)
    assert look(data / LOG, 0) == before
