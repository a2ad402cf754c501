"""The recorder: the library's own tests, and what this log adds to it."""

import importlib
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from eventsourcing import cryptography
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent

from codara.errors import VersionClash
from codara.events.store.datastore import LogDatastore
from codara.events.store.groups import Group, PayloadPart
from codara.events.store.recorder import LogRecorder

# The shipped tests import a cipher that needs one more package; no recorder uses it.
sys.modules.setdefault("eventsourcing.cipher", cryptography)
WAITING_SECONDS = 30.0

shipped = importlib.import_module("eventsourcing.tests.persistence")


class OurRecorder:
    """Gives the shipped test cases a fresh recorder each.

    They do not wait for the threads they stop: a recorder that is closed under one of them takes
    the whole interpreter down.
    """

    INITIAL_VERSION = 1

    def setUp(self) -> None:
        self.folder = TemporaryDirectory()
        self.recorders: list[LogRecorder] = []
        self.before = set(threading.enumerate())

    def tearDown(self) -> None:
        for thread in set(threading.enumerate()) - self.before:
            thread.join(WAITING_SECONDS)
            assert not thread.is_alive()
        for recorder in self.recorders:
            recorder.datastore.close()
        self.folder.cleanup()

    def create_recorder(self) -> LogRecorder:
        recorder = open_recorder(Path(self.folder.name) / "events.db")
        self.recorders.append(recorder)
        return recorder

    def new_originator_id(self) -> str:
        return f"session/{uuid4().hex}"


class TestAsAnApplicationRecorder(OurRecorder, shipped.ApplicationRecorderTestCase):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestItsPositions(OurRecorder, shipped.NonInterleavingNotificationIDsBaseCase):
    pass


def open_recorder(file: Path) -> LogRecorder:
    recorder = LogRecorder(LogDatastore(str(file)))
    recorder.create_table()
    return recorder


def fact(stream: str, version: int) -> StoredEvent:
    return StoredEvent(
        originator_id=stream, originator_version=version, topic="thing.done", state=b"{}"
    )


@contextmanager
def stranger_of(folder: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else at the same database."""
    with closing(sqlite3.connect(folder / "events.db", isolation_level=None)) as stranger:
        yield stranger


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[LogRecorder]:
    recorder = open_recorder(tmp_path / "events.db")
    yield recorder
    recorder.datastore.close()


def test_a_group_out_of_turn_clashes_alone(recorder: LogRecorder) -> None:
    fates = recorder.insert_groups(
        [
            Group([fact("a", 1), fact("b", 1)]),
            Group([fact("c", 1), fact("a", 1)], [PayloadPart("pay_1", 0, b"x")]),
            Group([fact("c", 1), fact("a", 2)]),
        ]
    )
    assert fates[0] == 2
    assert isinstance(fates[1], VersionClash)
    assert fates[1].stream == "a"
    assert fates[2] == 4
    written = recorder.select_notifications(start=None, limit=10)
    assert [(one.id, one.originator_id, one.originator_version) for one in written] == [
        (1, "a", 1),
        (2, "b", 1),
        (3, "c", 1),
        (4, "a", 2),
    ]


def test_a_gap_is_a_clash(recorder: LogRecorder) -> None:
    [fate] = recorder.insert_groups([Group([fact("a", 2)])])
    assert isinstance(fate, VersionClash)
    assert recorder.max_notification_id() is None


@pytest.mark.parametrize("length", [1, 15, 16, 17, 256, 777])
def test_a_batch_of_any_length_is_written_whole_and_in_order(
    recorder: LogRecorder, length: int
) -> None:
    versions = [1 + number for number in range(length)]
    fates = recorder.insert_groups([Group([fact("a", version)]) for version in versions])
    assert fates == versions
    written = recorder.select_events("a")
    assert [one.originator_version for one in written] == versions


@pytest.mark.parametrize("parts", [(), (PayloadPart("pay_2", 0, b"x"),)], ids=["alone", "parts"])
def test_of_a_transaction_that_fails_nothing_is_written(
    recorder: LogRecorder, tmp_path: Path, parts: tuple[PayloadPart, ...]
) -> None:
    recorder.insert_groups([Group([fact("a", 1)], [PayloadPart("pay_1", 0, b"x")])])
    with stranger_of(tmp_path) as stranger:
        stranger.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON stored_events WHEN NEW.originator_id = 'c'"
            " BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    with pytest.raises(sqlite3.IntegrityError, match="broken"):
        recorder.insert_groups([Group([fact("b", 1), fact("c", 1)], parts)])
    assert recorder.max_notification_id() == 1
    with stranger_of(tmp_path) as stranger:
        stranger.execute("DROP TRIGGER broken")
        assert stranger.execute("SELECT payload_id FROM payloads").fetchall() == [("pay_1",)]
    assert recorder.insert_groups([Group([fact("b", 1), fact("c", 1)], parts)]) == [3]


def test_what_another_writer_wrote_is_noticed(recorder: LogRecorder) -> None:
    recorder.insert_groups([Group([fact("a", 1)])])
    recorder.insert_events([fact("a", 2)])
    fates = recorder.insert_groups([Group([fact("a", 2)]), Group([fact("b", 1)])])
    assert isinstance(fates[0], VersionClash)
    assert fates[1] == 3
    assert recorder.insert_groups([Group([fact("a", 3)])]) == [4]


def test_versions_that_fell_out_of_memory_are_looked_up(
    recorder: LogRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codara.events.store.recorder.KNOWN_VERSIONS", 2)
    for version in (1, 2, 3):
        groups = [Group([fact(stream, version)]) for stream in "abcd"]
        assert all(isinstance(fate, int) for fate in recorder.insert_groups(groups))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = 'x'",
        "DELETE FROM stored_events",
        "UPDATE payloads SET box = 'x'",
        "DELETE FROM payloads",
        "REPLACE INTO stored_events VALUES (1, 'z', 1, 't', 'x')",
        "REPLACE INTO stored_events VALUES (9, 'a', 1, 't', 'x')",
        "INSERT INTO stored_events VALUES (0, 'z', 1, 't', 'x')",
        "REPLACE INTO payloads VALUES ('pay_1', 0, 'x')",
    ],
)
def test_the_database_itself_refuses_to_change_what_was_written(
    recorder: LogRecorder, tmp_path: Path, statement: str
) -> None:
    recorder.insert_groups([Group([fact("a", 1)], [PayloadPart("pay_1", 0, b"x")])])
    with (
        stranger_of(tmp_path) as stranger,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        stranger.execute(statement)


def test_a_position_is_never_given_out_twice(recorder: LogRecorder, tmp_path: Path) -> None:
    recorder.insert_groups([Group([fact("a", 1)]), Group([fact("b", 1)])])
    with stranger_of(tmp_path) as stranger:
        stranger.execute("DROP TRIGGER stored_events_refuse_delete")
        stranger.execute("DELETE FROM stored_events WHERE position = 2")
    assert recorder.insert_groups([Group([fact("c", 1)])]) == [3]


def test_a_conflict_through_the_library_is_its_integrity_error(recorder: LogRecorder) -> None:
    recorder.insert_events([fact("a", 1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([fact("a", 1)])


def test_a_log_that_is_no_database_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"no database" * 1000)
    with pytest.raises((sqlite3.DatabaseError, OperationalError)):
        open_recorder(tmp_path / "events.db")
