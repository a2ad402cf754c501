"""A log that went back, and folders that are gone: what a gateway says, and how it goes on."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.gateway_process import ROOT, Gateway, gateway

pytestmark = pytest.mark.cli


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as running:
        yield running


def copied(data: Path, name: str) -> Path:
    return Path(shutil.copytree(data, data.parent / name, symlinks=True))


def command(served: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another command on the same data folder."""
    config = str(served.folder / "codara.toml")
    return subprocess.run(
        [sys.executable, "-m", "codara", *arguments, "--config", config],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def refused(served: Gateway) -> str:
    """What a start says that is refused, as its only line; listings are refused with it."""
    at_start, listing = [
        await asyncio.to_thread(command, served, *words) for words in (["serve"], ["user", "list"])
    ]
    assert (at_start.returncode, at_start.stdout) == (1, "")
    assert at_start.stderr.count("\n") == 1
    assert (listing.returncode, listing.stderr) == (1, at_start.stderr)
    return at_start.stderr


async def recorded(served: Gateway, action: str) -> int:
    """How many facts of that name the audit lists."""
    found = await served.operator("GET", f"/audit?action={action}")
    return len(found.data)


async def test_a_log_put_back_from_an_older_copy_is_refused_until_the_loss_is_accepted(
    served: Gateway,
) -> None:
    assert (await served.chat("Add a README.")).status == 200
    await served.stop()
    backup = copied(served.data_dir, "backup")
    await served.start()
    assert (await served.chat("Add tests.")).status == 200
    await served.stop()
    shutil.copy(backup / "events.db", served.data_dir / "events.db")

    assert "events.db ends at position" in await refused(served)
    served.flags = ("--accept-loss",)
    await served.start()
    assert await recorded(served, "log.restored") == 1
    sessions = (await served.operator("GET", "/sessions")).data
    assert [(each["status"], each["dirty"]) for each in sessions] == [("dirty", True)]
    told = (await served.chat("Go on.")).body
    assert (told["codara"]["thread"], told["dirty"]) == ("fresh", True)
    await served.stop()

    served.flags = ()
    await served.start()
    assert await recorded(served, "log.restored") == 1
    told = (await served.chat("And on.")).body
    assert (told["codara"]["thread"], told["dirty"]) == ("resumed", False)


async def test_a_pair_from_one_backup_is_taken_without_a_word(served: Gateway) -> None:
    assert (await served.chat("Add a README.")).status == 200
    await served.stop()
    backup = copied(served.data_dir, "backup")
    await served.start()
    assert (await served.chat("Add tests.")).status == 200
    await served.stop()
    for name in ("events.db", "keys.db"):
        shutil.copy(backup / name, served.data_dir / name)
    await served.start()
    assert await recorded(served, "log.restored") == 0


@pytest.mark.parametrize("name", ["events.db", "keys.db"])
async def test_a_log_or_a_vault_that_is_gone_is_not_made_again(served: Gateway, name: str) -> None:
    await served.stop()
    (served.data_dir / name).unlink()
    assert f"{name} is missing" in await refused(served)
    assert not (served.data_dir / name).exists()


async def test_a_log_whose_write_ahead_file_is_deleted_after_a_kill_is_noticed(
    served: Gateway,
) -> None:
    assert (await served.chat("Add a README.")).status == 200
    await killed_without_wals(served)
    assert "events.db is empty (perhaps its events.db-wal is gone)" in await refused(served)


async def test_so_it_is_if_only_the_newest_of_the_log_was_in_it(served: Gateway) -> None:
    await served.stop()
    await served.start()
    assert (await served.chat("Add a README.")).status == 200
    await killed_without_wals(served)
    assert "It is an older copy, or its events.db-wal is gone" in await refused(served)


async def killed_without_wals(served: Gateway) -> None:
    await noted(served)
    await served.kill()
    for each in served.data_dir.glob("*.db-*"):
        each.unlink()


async def noted(served: Gateway) -> None:
    """Waits until the vault has seen the whole log."""
    async with asyncio.timeout(30):
        while seen(served) < head(served):
            await asyncio.sleep(0.1)


def seen(served: Gateway) -> int:
    return number(served.data_dir / "keys.db", "SELECT position FROM log_seen")


def head(served: Gateway) -> int:
    return number(served.data_dir / "events.db", "SELECT MAX(position) FROM stored_events")


def number(file: Path, asked: str) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return int(db.execute(asked).fetchone()[0])


async def test_folders_that_are_gone_are_named_and_recorded_and_turns_go_on(
    served: Gateway,
) -> None:
    assert (await served.chat("Add a README.")).status == 200
    await served.stop()
    for name in ("trees", "homes"):
        shutil.rmtree(served.data_dir / name)
    await served.start()
    said = served.output()
    assert f"{served.data_dir / 'trees'} of this installation is missing" in said
    assert f"{served.data_dir / 'homes'} of this installation is missing" in said
    assert await recorded(served, "gateway.folders_missing") == 1
    again = await served.chat("Add tests.")
    assert (again.status, again.body["codara"]["thread"]) == (200, "fresh")
    await served.stop()
    await served.start()
    assert await recorded(served, "gateway.folders_missing") == 1
