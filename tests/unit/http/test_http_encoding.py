"""How values become JSON."""

from datetime import UTC, datetime
from typing import Any

import attrs
import orjson
import pytest

from codara.http.encoding import shown
from codara.projections.engine.base import NOT_YET, NotYet

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Leaf:
    size: float | None
    seen: datetime | None = None


@attrs.frozen(kw_only=True)
class Tree:
    name: str
    leaves: tuple[Leaf, ...] = ()
    fruit: str | NotYet | None = NOT_YET
    first: Leaf | None = None


def test_fields_keep_their_names_and_their_order() -> None:
    tree = Tree(name="oak", leaves=(Leaf(size=1.5), Leaf(size=None)), first=Leaf(size=2))
    assert orjson.dumps(shown(tree)) == (
        b'{"name":"oak","leaves":[{"size":1.5,"seen":null},{"size":null,"seen":null}],'
        b'"first":{"size":2,"seen":null}}'
    )


def test_what_is_not_known_yet_is_left_out_and_what_is_nothing_is_null() -> None:
    assert "fruit" not in shown(Tree(name="oak"))
    assert shown(Tree(name="oak", fruit=None))["fruit"] is None
    assert shown(Tree(name="oak", fruit="acorn"))["fruit"] == "acorn"


def test_many_values_are_a_list() -> None:
    assert shown([Leaf(size=1), Leaf(size=2)]) == shown((Leaf(size=1), Leaf(size=2)))
    assert shown((Leaf(size=1),)) == [{"size": 1, "seen": None}]


def test_a_time_stays_for_orjson() -> None:
    assert orjson.dumps(shown(Leaf(size=1, seen=NOON))) == (
        b'{"size":1,"seen":"2026-03-01T12:00:00+00:00"}'
    )


@pytest.mark.parametrize("value", [None, True, 7, 1.5, "", "text", NOON, {"a": (1, {"b": None})}])
def test_a_plain_value_or_a_mapping_stays_as_it_is(value: Any) -> None:
    assert shown(value) is value
