"""The spool: what an agent said is kept as it comes, and nobody else can read it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters import spool as adapter
from codara.adapters.spool import FileSpool
from codara.errors import LogDamaged, ShuttingDown
from tests.fakes.keyring import FakeKeyRing


@pytest.fixture
def keys() -> FakeKeyRing:
    return FakeKeyRing()


@pytest.fixture(params=[0, adapter.KEPT_BYTES], ids=["on the disk", "in memory"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the end of a turn finds what was written."""
    monkeypatch.setattr(adapter, "KEPT_BYTES", request.param)


@pytest.fixture
async def spool(tmp_path: Path, keys: FakeKeyRing) -> AsyncIterator[FileSpool]:
    spool = FileSpool(tmp_path / "spool", keys)
    yield spool
    await spool.close()


@pytest.mark.usefixtures("kept")
async def test_the_whole_comes_back_when_the_turn_ends(spool: FileSpool) -> None:
    file = spool.open("trn_1")
    file.write(b"one")
    file.write(b"")
    file.write(b"\xff three")
    assert await file.close() == b"one\n\n\xff three"
    assert await spool.read("trn_1") == b"one\n\n\xff three"


async def test_nothing_written_is_nothing_on_the_disk(spool: FileSpool, tmp_path: Path) -> None:
    assert await spool.open("trn_1").close() == b""
    assert await spool.read("trn_1") == b""
    assert not (tmp_path / "spool").exists()


@pytest.mark.usefixtures("kept")
async def test_turns_do_not_mix(spool: FileSpool) -> None:
    files = [spool.open(f"trn_{number}") for number in range(50)]
    for line in range(20):
        for number, file in enumerate(files):
            file.write(b"%d of %d" % (line, number))
    wholes = await asyncio.gather(*(file.close() for file in files))
    for number, whole in enumerate(wholes):
        assert whole == b"\n".join(b"%d of %d" % (line, number) for line in range(20))


async def test_a_long_turn_leaves_the_memory(spool: FileSpool) -> None:
    file = spool.open("trn_1")
    lines = [b"%d" % number * 1000 for number in range(100)]
    for line in lines:
        file.write(line)
    assert await file.close() == b"\n".join(lines)
    assert not file._kept


@pytest.mark.usefixtures("kept")
async def test_nothing_is_kept_of_what_comes_after_the_end(spool: FileSpool) -> None:
    file = spool.open("trn_1")
    file.write(b"one")
    await file.close()
    file.write(b"two")
    assert await file.close() == b"one"
    file.remove()
    file.write(b"three")
    assert await spool.read("trn_1") == b""


async def test_a_spool_begins_anew_over_what_another_life_left(spool: FileSpool) -> None:
    for line in (b"one", b"two"):
        file = spool.open("trn_1")
        file.write(line)
        assert await file.close() == line
        assert await spool.read("trn_1") == line


async def test_the_disk_holds_no_plain_text(spool: FileSpool, tmp_path: Path) -> None:
    file = spool.open("trn_1")
    file.write(b"Ada's secret")
    assert await spool.read("trn_1") == b"Ada's secret"
    stored = (tmp_path / "spool" / "trn_1.spool").read_bytes()
    assert b"Ada" not in stored
    assert (tmp_path / "spool" / "trn_1.spool").stat().st_mode & 0o077 == 0


async def test_whatever_a_crash_cut_off_only_the_last_line_is_lost(
    spool: FileSpool, tmp_path: Path
) -> None:
    stored = tmp_path / "spool" / "trn_1.spool"
    ends: dict[bytes, int] = {}
    file = spool.open("trn_1")
    for line in (b"one", b"two", b"three"):
        file.write(line)
        await spool.read("trn_1")
        ends[line] = stored.stat().st_size
    whole = stored.read_bytes()
    for size in range(len(whole) + 1):
        stored.write_bytes(whole[:size])
        kept = [line for line, end in ends.items() if end <= size]
        assert await spool.read("trn_1") == b"\n".join(kept)


async def test_a_frame_that_was_altered_ends_the_reading(spool: FileSpool, tmp_path: Path) -> None:
    file = spool.open("trn_1")
    for line in (b"one", b"two"):
        file.write(line)
        await spool.read("trn_1")
    stored = tmp_path / "spool" / "trn_1.spool"
    broken = bytearray(stored.read_bytes())
    broken[-1] ^= 1
    stored.write_bytes(broken)
    assert await spool.read("trn_1") == b"one"


async def test_a_removed_spool_is_gone(spool: FileSpool, tmp_path: Path) -> None:
    file = spool.open("trn_1")
    file.write(b"one")
    assert await spool.read("trn_1") == b"one"
    file.write(b"two")
    file.remove()
    assert await spool.read("trn_1") == b""
    assert not list((tmp_path / "spool").iterdir())


async def test_a_turn_that_is_over_at_once_makes_no_file_and_takes_no_other_turns_lines(
    spool: FileSpool, tmp_path: Path
) -> None:
    short, long = spool.open("trn_1"), spool.open("trn_2")
    short.write(b"one")
    long.write(b"two")
    short.remove()
    assert await spool.read("trn_2") == b"two"
    assert [file.name for file in (tmp_path / "spool").iterdir()] == ["trn_2.spool"]


async def comes(file: Path) -> None:
    async with asyncio.timeout(30):
        while not file.exists():
            await asyncio.sleep(0.005)


async def test_lines_reach_the_disk_by_themselves(spool: FileSpool, tmp_path: Path) -> None:
    spool.open("trn_1").write(b"one")
    await comes(tmp_path / "spool" / "trn_1.spool")


async def test_many_bytes_do_not_wait_for_the_next_lines(
    spool: FileSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "GATHER_SECONDS", 3600.0)
    file = spool.open("trn_1")
    for _ in range(2):
        file.write(bytes(adapter.GATHERED_BYTES // 2))
    await comes(tmp_path / "spool" / "trn_1.spool")


async def test_lines_of_a_turn_that_is_over_hurry_nobody(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "GATHER_SECONDS", 3600.0)
    for turn_id in ("trn_1", "trn_2"):
        file = spool.open(turn_id)
        file.write(bytes(adapter.GATHERED_BYTES // 2))
        file.remove()
    assert "spool" not in {thread.name for thread in threading.enumerate()}


async def test_what_an_earlier_life_left_can_be_removed(spool: FileSpool) -> None:
    spool.open("trn_1").write(b"one")
    await spool.remove("trn_1")
    await spool.remove("trn_1")
    assert await spool.read("trn_1") == b""


@pytest.mark.usefixtures("kept")
async def test_a_full_disk_costs_no_line(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    file = spool.open("trn_1")
    file.write(b"one")
    await spool.read("trn_1")

    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    file.write(b"two")
    file.write(b"three")
    assert await file.close() == b"one\ntwo\nthree"


async def test_a_spool_whose_key_is_gone_reads_as_empty(
    spool: FileSpool, keys: FakeKeyRing
) -> None:
    file = spool.open("trn_1")
    file.write(b"one")
    assert await spool.read("trn_1") == b"one"
    keys.forget("spool")
    assert await spool.read("trn_1") == b""
    file = spool.open("trn_1")
    file.write(b"two")
    assert await file.close() == b"two"


async def test_closing_writes_what_is_queued(
    spool: FileSpool, tmp_path: Path, keys: FakeKeyRing
) -> None:
    file = spool.open("trn_1")
    file.write(b"one")
    await spool.close()
    later = FileSpool(tmp_path / "spool", keys)
    assert await later.read("trn_1") == b"one"
    await later.close()
    with pytest.raises(ShuttingDown):
        file.write(b"two")


@pytest.mark.usefixtures("kept")
async def test_of_a_turn_that_writes_without_end_the_first_lines_are_kept(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(adapter, "MOST_BYTES", 25)
    file = spool.open("trn_1")
    for line in (b"x" * 10, b"y" * 10, b"z" * 10, b"a", b"b"):
        file.write(line)
    assert await file.close() == b"x" * 10 + b"\n" + b"y" * 10
    assert caplog.text.count("only the first 25 bytes are kept") == 1


async def test_a_vault_that_fails_is_told_to_whoever_waits(
    spool: FileSpool, keys: FakeKeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "KEPT_BYTES", 0)
    file = spool.open("trn_1")
    file.write(b"one")
    await spool.read("trn_1")

    def broken(key_id: str) -> None:
        raise LogDamaged("the vault is broken")

    monkeypatch.setattr(keys, "opening_key", broken)
    with pytest.raises(LogDamaged, match="broken"):
        await file.close()
