"""How much a home holds, whatever an agent put there."""

import os
import sqlite3
from pathlib import Path

import pytest

from codara.adapters.agents.home import measuring
from codara.adapters.agents.home.measuring import measured
from codara.adapters.agents.home.sqlitefile import used_bytes

PAGE = 4096
WORDS = "w" * 10_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def fill(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def used(path: Path) -> int | None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        return used_bytes(folder, path.name)
    finally:
        os.close(folder)


def database(path: Path, *, log: bool) -> sqlite3.Connection:
    """A database with words in it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA page_size={PAGE}")
    db.execute(f"PRAGMA journal_mode={'WAL' if log else 'DELETE'}")
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT)")
    db.executemany("INSERT INTO words (text) VALUES (?)", [(WORDS,)] * 200)
    return db


def test_where_there_is_no_home_there_is_nothing(tmp_path: Path) -> None:
    assert measured(tmp_path / "nowhere") == 0
    (tmp_path / "link").symlink_to(tmp_path)
    assert measured(tmp_path / "link") == 0


def test_files_count_as_they_lie_on_the_disk(home: Path) -> None:
    empty = measured(home)
    fill(home / "a" / "b" / "file", 100_000)
    with (home / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    assert 100_000 <= measured(home) - empty < 200_000


def test_what_links_lead_to_does_not_count(home: Path, tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere" / "file", 1_000_000)
    (home / "folder").symlink_to(tmp_path / "elsewhere")
    (home / "file").symlink_to(tmp_path / "elsewhere" / "file")
    (home / "words.db").symlink_to(tmp_path / "elsewhere" / "file")
    os.mkfifo(home / "fifo.sqlite")
    assert measured(home) < 100_000


def test_a_file_of_several_names_counts_once(home: Path) -> None:
    fill(home / "file", 400_000)
    once = measured(home)
    for number in range(3):
        os.link(home / "file", home / f"name-{number}")
    assert abs(measured(home) - once) < 10_000


def test_counting_has_bounds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home / "/".join("d" * 100) / "file", 500_000)
    assert measured(home) < 500_000
    for number in range(20):
        fill(home / f"{number}", 10_000)
    monkeypatch.setattr(measuring, "MOST_ENTRIES", 5)
    assert measured(home) < 10 * 10_000


@pytest.mark.parametrize("log", [True, False])
def test_what_a_database_would_use_again_does_not_count(home: Path, log: bool) -> None:
    path = home / "words.db"
    db = database(path, log=log)
    full, held = measured(home), used(path)
    assert held is not None and held > 200 * len(WORDS)
    assert full >= held
    db.execute("DELETE FROM words WHERE id > 20")
    left = used(path)
    assert left is not None and left < held / 5
    assert measured(home) <= full - (held - left)
    db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    assert used(path) == left
    db.executemany("INSERT INTO words (text) VALUES (?)", [("new",)] * 10)
    assert abs((used(path) or 0) - left) <= 3 * PAGE
    db.close()
    assert abs((used(path) or 0) - left) <= 3 * PAGE


def test_what_was_not_committed_says_nothing(home: Path) -> None:
    db = database(home / "words.sqlite", log=True)
    before = used(home / "words.sqlite")
    db.execute("PRAGMA cache_size=1")
    db.execute("BEGIN")
    db.execute("DELETE FROM words")
    assert used(home / "words.sqlite") == before
    db.execute("ROLLBACK")
    db.close()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"x" * 500])
def test_what_is_no_database_is_a_file(home: Path, content: bytes) -> None:
    (home / "words.db").write_bytes(content)
    assert used(home / "words.db") is None
    fill(home / "words.db-wal", 300_000)
    assert measured(home) >= 300_000


@pytest.mark.parametrize("log", [b"", b"x" * 40, b"\x37\x7f\x06\x82" + b"\0" * 60])
def test_a_log_that_makes_no_sense_is_passed_over(home: Path, log: bytes) -> None:
    database(home / "words.db", log=False).close()
    before = used(home / "words.db")
    (home / "words.db-wal").write_bytes(log)
    assert used(home / "words.db") == before
