"""What is stored of an event, and what is read from it."""

import base64
import types
import typing
from datetime import UTC
from typing import Any, ClassVar

import attrs
import orjson
import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from codara.errors import LogDamaged
from codara.events.base import Event, Sealed, Unknown, private
from codara.events.registry import CATALOGUE
from codara.events.session import AccountChanged, Candidate, TurnStarted, Waited
from codara.events.store.mapper import MAX_EVENT_BYTES, EventMapper, EventTooLarge
from tests import event_examples, golden_events
from tests.fakes.keyring import FakeKeyRing

every_event = pytest.mark.parametrize("event_class", CATALOGUE, ids=lambda found: found.name)

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=30),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    Any: st.integers(0, 2**53) | st.dictionaries(st.text(max_size=9), st.integers(0, 99)),
    event_examples.datetime: st.datetimes(timezones=st.just(UTC)),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of that type may hold."""
    if kind in PLAIN:
        return PLAIN[kind]
    if attrs.has(kind):
        return st.builds(kind, **{field.name: values(field.type) for field in attrs.fields(kind)})
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    inner = [values(found) for found in typing.get_args(kind) if found is not Ellipsis]
    if typing.get_origin(kind) is tuple:
        return st.lists(inner[0], max_size=3).map(tuple)
    if typing.get_origin(kind) is dict:
        return st.dictionaries(*inner, max_size=3)
    assert typing.get_origin(kind) in (types.UnionType, typing.Union), kind
    return st.one_of(inner)


def private_fields(event_class: type[Event]) -> list[Any]:
    return [field for field in attrs.fields(event_class) if field.metadata.get("private")]


def mapper(keys: FakeKeyRing | None = None, **options: Any) -> EventMapper:
    return EventMapper("log_1", keys or FakeKeyRing(), **options)


def stored(event: Event, by: EventMapper) -> bytes:
    return by.to_stored("log", 1, event, event_examples.metadata()).state


@every_event
def test_an_event_reads_as_it_was_written(event_class: type[Event]) -> None:
    @settings(max_examples=25, deadline=None)
    @property_of(values(event_class))
    def reads_as_written(event: Event) -> None:
        state = stored(event, reader)
        assert reader.to_event(event.name, state) == (event, event_examples.metadata())

    reader = mapper()
    reads_as_written()


@every_event
def test_private_fields_are_stored_sealed(event_class: type[Event]) -> None:
    state = stored(event_examples.example(event_class), mapper())
    assert b"Ada" not in state
    data = orjson.loads(state)["data"]
    for field in private_fields(event_class):
        [(mark, (key_id, box))] = data[field.name].items()
        assert mark == "$sealed"
        assert key_id.startswith("dk_")
        assert b"Ada" not in base64.b64decode(box)


@every_event
def test_sealed_reading_touches_no_key(event_class: type[Event]) -> None:
    keys = FakeKeyRing()
    reader = mapper(keys)
    example = event_examples.example(event_class)
    event, _ = reader.to_event(example.name, stored(example, reader), sealed=True)
    assert keys.opened == 0
    for field in attrs.fields(event_class):
        value = getattr(event, field.name)
        if field.metadata.get("private"):
            assert isinstance(value, Sealed)
            assert value == Sealed.parse(str(value))
        else:
            assert value == getattr(example, field.name)


@every_event
def test_what_a_destroyed_key_sealed_reads_as_empty(event_class: type[Event]) -> None:
    keys = FakeKeyRing()
    reader = mapper(keys)
    example = event_examples.example(event_class)
    state = stored(example, reader)
    keys.forget(example.subject)
    event, _ = reader.to_event(example.name, state)
    erased: dict[str, Any] = {
        field.name: "" if field.type is str else () for field in private_fields(event_class)
    }
    assert event == attrs.evolve(example, **erased)


@every_event
def test_the_golden_file_of_each_version_reads_as_it_did(event_class: type[Event]) -> None:
    assert golden_events.file_of(event_class).exists(), "write it: python -m tests.golden_events"
    for file in golden_events.FOLDER.glob(f"{event_class.name}.v*.json"):
        golden = orjson.loads(file.read_bytes())
        assert b"Ada" not in orjson.dumps(golden["stored"])
        reader = golden_events.mapper()
        event, metadata = reader.to_event(event_class.name, orjson.dumps(golden["stored"]))
        assert isinstance(event, event_class)
        assert metadata == event_examples.metadata()
        if file == golden_events.file_of(event_class):
            read = golden_events.fields_of(event)
            assert as_far_as(golden["reads_as"], read) == golden["reads_as"]


def test_a_word_that_only_an_earlier_version_wrote_reads_as_it_stands() -> None:
    started = event_examples.example(TurnStarted)
    document = orjson.loads(stored(started, mapper()))
    document["data"]["waited"] = {"what": "session", "behind": "trn_1", "seconds": 2.5}
    event, _ = mapper().to_event(TurnStarted.name, orjson.dumps(document))
    waited = Waited(what="session", behind="trn_1", seconds=2.5)  # type: ignore[arg-type]
    assert event == attrs.evolve(started, waited=waited)


def test_an_account_that_was_passed_over_as_ready_reads_as_an_earlier_version_wrote_it() -> None:
    changed = event_examples.example(AccountChanged)
    document = orjson.loads(stored(changed, mapper()))
    before = {"account_id": event_examples.ACCOUNT, "headroom": None, "refused": "ready"}
    document["data"]["account_chosen"] |= {"best": [before], "refused": {"ready": 1}}
    event, _ = mapper().to_event(AccountChanged.name, orjson.dumps(document))
    choice = attrs.evolve(changed.account_chosen, best=(Candidate(**before),), refused={"ready": 1})
    assert event == attrs.evolve(changed, account_chosen=choice)


def as_far_as(known: Any, read: Any) -> Any:
    """What was read, without the fields that have joined since."""
    if isinstance(known, dict) and isinstance(read, dict):
        return {name: as_far_as(known[name], read[name]) for name in known}
    if isinstance(known, list) and isinstance(read, list) and len(known) == len(read):
        return [as_far_as(old, new) for old, new in zip(known, read, strict=True)]
    return read


def test_a_sealed_value_opens_outside_of_its_event() -> None:
    keys = FakeKeyRing()
    reader = mapper(keys)
    diff = event_examples.diff_recorded()
    event, _ = reader.to_event(diff.name, stored(diff, reader), sealed=True)
    assert reader.open_value(event.patch) == diff.patch
    assert reader.open_value(event.files)[0]["path"] == diff.files[0].path
    keys.forget(diff.subject)
    assert reader.open_value(event.patch) is None


@pytest.mark.parametrize("moved", ["log", "event", "field"])
def test_a_sealed_value_that_was_moved_does_not_open(moved: str) -> None:
    keys = FakeKeyRing()
    document = orjson.loads(stored(event_examples.diff_recorded(), mapper(keys)))
    reader = mapper(keys)
    match moved:
        case "log":
            reader = EventMapper("log_2", keys)
        case "event":
            document["event_id"] = "evt_other"
        case "field":
            document["data"]["files"] = document["data"]["patch"]
    with pytest.raises(LogDamaged):
        reader.to_event("workspace.diff_recorded", orjson.dumps(document))


def test_a_fact_of_another_age_is_unknown_but_read() -> None:
    reader = mapper()
    state = orjson.loads(stored(event_examples.session_opened(), reader))
    future, metadata = reader.to_event("session.dreamt", orjson.dumps(state))
    assert isinstance(future, Unknown)
    assert future.stored_name == "session.dreamt"
    assert isinstance(future.fields["client_session_id"], Sealed)
    assert metadata == event_examples.metadata()

    newer, _ = reader.to_event("session.opened", orjson.dumps({**state, "v": 99}))
    assert isinstance(newer, Unknown)
    assert newer.stored_version == 99


@pytest.mark.parametrize("state", [b"", b"[]", b"{}", b'{"v":1}', b"\xff", b"null"])
def test_bytes_that_are_no_event_are_damage(state: bytes) -> None:
    with pytest.raises(LogDamaged, match=r"session\.opened"):
        mapper().to_event("session.opened", state)


def test_an_event_may_take_64_kib() -> None:
    writer = mapper()
    stored(event_examples.turn_requested(prompt="x" * 40_000), writer)
    with pytest.raises(EventTooLarge, match="payload") as refused:
        stored(event_examples.turn_requested(prompt="x" * MAX_EVENT_BYTES), writer)
    assert "65,536" in str(refused.value)


def test_text_that_is_no_text_is_stored_with_a_replacement() -> None:
    reader = mapper()
    broken = "a\ud800b"
    event = event_examples.turn_requested(prompt=broken, model=broken)
    read, _ = reader.to_event(event.name, stored(event, reader))
    assert read == event_examples.turn_requested(prompt="a\ufffdb", model="a\ufffdb")


def test_evidence_that_looks_like_a_box_is_no_box() -> None:
    reader = mapper()
    event = event_examples.request_refused(evidence={"$sealed": "dk_1"})
    assert reader.to_event(event.name, stored(event, reader))[0] == event


@attrs.frozen(kw_only=True)
class Renamed(Event):
    """A made-up fact whose private field had another name once."""

    name: ClassVar[str] = "thing.renamed"
    version: ClassVar[int] = 3
    user_id: str
    amount: int
    text: str = private()


@attrs.frozen(kw_only=True)
class RenamedOnce(Event):
    name: ClassVar[str] = "thing.renamed"
    user_id: str
    body: str = private()


def test_an_old_event_is_upcast_and_its_private_fields_still_open() -> None:
    keys = FakeKeyRing()
    state = stored(RenamedOnce(user_id="usr_1", body="Ada"), mapper(keys, classes=[RenamedOnce]))
    reader = mapper(
        keys,
        classes=[Renamed],
        upcasters={
            ("thing.renamed", 1): lambda old: {"user_id": old["user_id"], "text": old["body"]},
            ("thing.renamed", 2): lambda old: {**old, "amount": 7},
        },
    )
    event, _ = reader.to_event("thing.renamed", state)
    assert event == Renamed(user_id="usr_1", amount=7, text="Ada")
