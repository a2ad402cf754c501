"""The catalogue names every fact there is, once, and for good."""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import attrs
import pytest

import codara.events
from codara.events.base import Event, Sealed, Unknown
from codara.events.registry import CATALOGUE, by_name
from codara.events.upcasters import upcast
from tests import event_examples


def defined_events() -> Iterator[type[Event]]:
    for module in pkgutil.iter_modules(codara.events.__path__):
        loaded = importlib.import_module(f"codara.events.{module.name}")
        for _, found in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(found, Event) and found.__module__ == loaded.__name__:
                yield found


def nested_values(kind: typing.Any) -> Iterator[type]:
    if attrs.has(kind):
        yield kind
        for field in attrs.fields(kind):
            yield from nested_values(field.type)
    for inner in typing.get_args(kind):
        yield from nested_values(inner)


def test_the_catalogue_holds_every_event_that_is_defined() -> None:
    assert set(defined_events()) - {Event, Unknown} == set(CATALOGUE)


def test_there_is_an_example_of_every_event() -> None:
    assert set(event_examples.EXAMPLES) == set(CATALOGUE)
    for event_class in CATALOGUE:
        assert isinstance(event_examples.example(event_class), event_class)


def test_two_events_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="two events"):
        by_name([event_examples.gateway.LogOpened, event_examples.gateway.LogOpened])


@pytest.mark.parametrize("event_class", CATALOGUE, ids=lambda event_class: event_class.name)
def test_a_name_is_area_dot_fact_and_fits_into_a_sealed_text(event_class: type[Event]) -> None:
    area, fact = event_class.name.split(".")
    assert area.isidentifier()
    assert fact.isidentifier()


@pytest.mark.parametrize("event_class", CATALOGUE, ids=lambda event_class: event_class.name)
def test_private_fields_stand_in_the_event_itself(event_class: type[Event]) -> None:
    for field in attrs.fields(event_class):
        for value_class in nested_values(field.type):
            inner = attrs.fields(value_class)
            assert not any(nested.metadata.get("private") for nested in inner), value_class


def test_an_old_fact_is_lifted_one_version_at_a_time() -> None:
    chain = {
        ("thing.done", 1): lambda fields: {**fields, "count": 1},
        ("thing.done", 2): lambda fields: {"amount": fields["count"], "who": fields["who"]},
    }
    lifted = upcast("thing.done", 1, {"who": "Ada"}, to=3, upcasters=chain)
    assert lifted == {"amount": 1, "who": "Ada"}
    assert upcast("thing.done", 3, lifted, to=3, upcasters=chain) is lifted


def test_a_missing_step_is_an_error() -> None:
    with pytest.raises(KeyError):
        upcast("thing.done", 1, {}, to=2, upcasters={})


def test_a_sealed_value_is_one_line_of_text() -> None:
    sealed = Sealed("dk_1", "evt_1", "session.opened.client_session_id", "Ym94")
    assert Sealed.parse(str(sealed)) == sealed
    with pytest.raises(ValueError, match="sealed"):
        Sealed.parse("plain:a:b:c:d")
