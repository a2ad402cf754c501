"""A read model's file: folding, breaking off, and going on; the same rows whatever happened."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import given as where
from hypothesis import settings
from hypothesis import strategies as st
from read_model_setup import JAIL, SESSION, USER, WORKSPACE, as_read

from codara.events.base import Event, Recorded
from codara.projections.engine.base import Projection, Statement, as_json, moment, sealed
from codara.projections.engine.store import Store, digest
from codara.projections.views import PROJECTIONS
from tests import event_examples

TURNS = [f"trn_{n}" for n in range(4)]
AN_EVENT = st.one_of(
    st.sampled_from(
        [
            (SESSION, event_examples.session_opened()),
            (SESSION, event_examples.session_reset()),
            (SESSION, event_examples.session_expired()),
            (WORKSPACE, event_examples.workspace_provisioned()),
            ("account/acc_1", event_examples.account_registered()),
            ("account/acc_1", event_examples.account_removed()),
            ("account/acc_1", event_examples.health_changed()),
            ("quota/acc_1", event_examples.quota_observed()),
            (USER, event_examples.user_updated()),
            (USER, event_examples.user_deleted()),
            (JAIL, event_examples.jail_started()),
            (JAIL, event_examples.jail_exited()),
            ("request/req_1", event_examples.request_refused()),
            ("operator/op_1", event_examples.operator_logged_in()),
            ("gateway", event_examples.gateway_recovered()),
        ]
    ),
    st.builds(
        lambda event, turn: (SESSION, event(turn_id=turn)),
        st.sampled_from(
            [
                event_examples.turn_started,
                event_examples.backend_bound,
                event_examples.turn_completed,
                event_examples.turn_failed,
                event_examples.turn_cancelled,
            ]
        ),
        st.sampled_from(TURNS),
    ),
    st.builds(
        lambda event, turn: (WORKSPACE, event(holder=event_examples.turn_holder(turn))),
        st.sampled_from([event_examples.workspace_locked, event_examples.workspace_unlocked]),
        st.sampled_from(TURNS),
    ),
    st.builds(
        lambda turn: (WORKSPACE, event_examples.diff_recorded(turn_id=turn)), st.sampled_from(TURNS)
    ),
)
BORN_ONCE = [
    (USER, event_examples.user_provisioned()),
    ("key/ffff", event_examples.key_issued()),
    *((SESSION, event_examples.turn_requested(turn_id=turn)) for turn in TURNS),
]


@st.composite
def histories(draw: st.DrawFn) -> list[Recorded]:
    """Any order of events, sensible or not; what has an id of its own is born once."""
    facts = draw(st.lists(AN_EVENT, max_size=40))
    for fact in BORN_ONCE:
        facts.insert(draw(st.integers(0, len(facts))), fact)
    return [as_read(stream, event, n) for n, (stream, event) in enumerate(facts, 1)]


class PowerCut(Exception):
    pass


class Interrupted:
    """A projection that is cut off at one event."""

    def __init__(self, projection: Projection, at: int) -> None:
        self.name = projection.name
        self.version = projection.version
        self.topics = projection.topics
        self.schema = projection.schema
        self._projection = projection
        self._at = at

    def apply(self, recorded: Recorded) -> Iterator[Statement]:
        yield from self._projection.apply(recorded)
        if recorded.position >= self._at:
            raise PowerCut


def fold(projection: Any, path: Path, *batches: list[Recorded]) -> str:
    """Each batch in a store opened anew; the digest of what came of it."""
    store = Store.create(projection, path, "log_1")
    after = 0
    for batch in batches:
        store.fold(after, batch)
        after = batch[-1].position if batch else after
        store.close()
        store = Store.open(projection, path)
    store.close()
    return digest(path)


@settings(max_examples=15, deadline=None)
@where(history=histories(), data=st.data())
def test_folded_once_in_two_halves_or_cut_off_the_rows_are_the_same(
    history: list[Recorded], data: st.DataObject
) -> None:
    half = data.draw(st.integers(0, len(history)))
    cut = data.draw(st.integers(1, len(history)))
    for projection in PROJECTIONS:
        with TemporaryDirectory() as folder:
            once = fold(projection, Path(folder, "once.db"), history)
            halves = fold(projection, Path(folder, "two.db"), history[:half], history[half:])
            store = Store.create(Interrupted(projection, cut), Path(folder, "cut.db"), "log_1")
            try:
                store.fold(0, history)
            except PowerCut:
                assert store.position == 0
            store.close()
            again = Store.open(projection, Path(folder, "cut.db"))
            again.fold(again.position, history)
            again.close()
            assert once == halves == digest(Path(folder, "cut.db")), projection.name


class Counting:
    """Counts events: the smallest projection there is."""

    name: ClassVar[str] = "counting"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset({"session.reset"})
    schema: ClassVar[str] = "CREATE TABLE seen (position INTEGER PRIMARY KEY) STRICT;"

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        return [("INSERT INTO seen VALUES (?)", (recorded.position,))]


RESETS = [as_read(SESSION, event_examples.session_reset(), n) for n in range(1, 6)]


def seen(path: Path) -> list[int]:
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT position FROM seen ORDER BY 1").fetchall()
    db.close()
    return [row[0] for row in rows]


def test_an_event_is_folded_once_however_often_it_comes(tmp_path: Path) -> None:
    store = Store.create(Counting(), tmp_path / "x.db", "log_1")
    store.fold(0, RESETS[:3])
    store.fold(0, RESETS)
    assert store.position == 5
    store.close()
    assert seen(tmp_path / "x.db") == [1, 2, 3, 4, 5]


def test_a_batch_that_begins_too_late_is_left_alone(tmp_path: Path) -> None:
    store = Store.create(Counting(), tmp_path / "x.db", "log_1")
    store.fold(2, RESETS[2:])
    assert store.position == 0
    store.close()


def test_events_nobody_wants_move_the_position_all_the_same(tmp_path: Path) -> None:
    store = Store.create(Counting(), tmp_path / "x.db", "log_1")
    store.fold(0, [as_read("gateway", event_examples.gateway_started(), 7)])
    assert store.position == 7
    store.close()
    assert seen(tmp_path / "x.db") == []


def test_two_writers_of_one_file_are_noticed(tmp_path: Path) -> None:
    first = Store.create(Counting(), tmp_path / "x.db", "log_1")
    second = Store.open(Counting(), tmp_path / "x.db")
    first.fold(0, RESETS[:1])
    with pytest.raises((RuntimeError, sqlite3.IntegrityError)):
        second.fold(0, RESETS)
    first.close()
    second.close()


class Wider(Counting):
    schema: ClassVar[str] = "CREATE TABLE seen (position INTEGER PRIMARY KEY, more TEXT) STRICT;"


def test_a_file_of_another_schema_is_not_opened(tmp_path: Path) -> None:
    Store.create(Counting(), tmp_path / "x.db", "log_1").close()
    with pytest.raises(sqlite3.DatabaseError, match="another schema"):
        Store.open(Wider(), tmp_path / "x.db")


@pytest.mark.parametrize("text", ["", "no database at all" * 500])
def test_a_damaged_file_is_not_opened(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.db").write_text(text)
    with pytest.raises(sqlite3.DatabaseError):
        Store.open(Counting(), tmp_path / "x.db")


def test_a_store_built_fast_is_as_good_as_any(tmp_path: Path) -> None:
    store = Store.create(Counting(), tmp_path / "fast.db", "log_1", fast=True)
    store.fold(0, RESETS)
    store.settle()
    store.close()
    assert digest(tmp_path / "fast.db") == fold(Counting(), tmp_path / "slow.db", RESETS)


def test_digests_of_different_rows_differ(tmp_path: Path) -> None:
    once = fold(Counting(), tmp_path / "a.db", RESETS)
    assert once != fold(Counting(), tmp_path / "b.db", RESETS[:4])


def test_plain_private_text_never_gets_into_a_view() -> None:
    with pytest.raises(TypeError):
        sealed("Ada")


def test_times_as_text_sort_as_times_do() -> None:
    assert (
        moment(event_examples.NOW)
        < moment(event_examples.NOW.replace(microsecond=1))
        < moment(event_examples.SOON)
    )


def test_values_become_json_objects() -> None:
    assert as_json((event_examples.WINDOW,)).startswith('[{"name":"5h","used_percent":12.5')


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_every_event_of_a_topic_leaves_a_trace(projection: Projection) -> None:
    examples: dict[str, type[Event]] = {kind.name: kind for kind in event_examples.EXAMPLES}
    for topic in projection.topics:
        event = event_examples.example(examples[topic])
        stream = "key/ffff" if topic.startswith("key.") else "session/ses_1"
        assert list(projection.apply(as_read(stream, event, 1))), topic
