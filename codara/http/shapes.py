"""Shapes: the frozen classes of queries and bodies, filled with what a client sent."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import attrs

from codara.errors import InvalidRequest
from codara.http.decoding import Fields

T = TypeVar("T")

Read = Callable[[Fields, str], Any]

MOST_ON_A_PAGE = 200
_LAST_POSITION = 10**18
_LONGEST_NAME = 100


@attrs.frozen
class Nothing:
    """Asks for nothing: whatever a client sends is refused."""


@attrs.frozen(kw_only=True)
class ItemQuery:
    """Asks for one item, once the read models have folded `min_position`."""

    min_position: int = attrs.field(default=0, metadata={"least": 0, "most": _LAST_POSITION})


@attrs.frozen(kw_only=True)
class ListQuery(ItemQuery):
    """Asks for a page of up to `limit` items after `cursor`; further fields are filters."""

    limit: int = attrs.field(default=50, metadata={"least": 1, "most": MOST_ON_A_PAGE})
    cursor: str | None = None

    def filters(self) -> dict[str, Any]:
        """Returns the filters that were given, by the names that the read models use for them."""
        own = {each.name for each in attrs.fields(ListQuery)}
        more = [each for each in attrs.fields(type(self)) if each.name not in own]
        return {
            each.metadata.get("filter", each.name): value
            for each in more
            if (value := getattr(self, each.name)) is not None
        }


def from_query(shape: type[T], query: Mapping[str, str]) -> T:
    """Fills the class of a query.

    InvalidRequest, with `param`, for a filter that the class does not have, and for a value that
    the filter does not take; it says what there is.
    """
    return _filled(query, shape, _readers_of_query(shape), "filter")  # type: ignore[arg-type]  # a class is hashable


def from_body(shape: type[T], body: Mapping[str, Any]) -> T:
    """Fills the class of a body.

    InvalidRequest, with `param`, for what is missing or wrong, and for a field that the class does
    not have.
    """
    return _filled(body, shape, _readers_of_body(shape), "field")  # type: ignore[arg-type]  # a class is hashable


def _filled(values: Mapping[str, Any], shape: type[T], readers: Mapping[str, Read], noun: str) -> T:
    unknown = next((name[:_LONGEST_NAME] for name in values if name not in readers), None)
    if unknown is not None:
        there = f"there are {', '.join(sorted(readers))}" if readers else "there are none"
        raise InvalidRequest(f"There is no {noun} {unknown!r} here; {there}.", param=unknown)
    fields = Fields(values)
    return shape(**{name: read(fields, name) for name, read in readers.items()})


_IN_BODY: Mapping[Any, Read] = {
    str: Fields.text,
    bool: Fields.flag,
    str | None: Fields.maybe_text,
    int | None: Fields.maybe_integer,
    float | None: Fields.maybe_number,
    datetime | None: Fields.maybe_moment,
}


@cache
def _readers_of_body(shape: type[Any]) -> Mapping[str, Read]:
    return {name: _IN_BODY[kind] for name, kind in _types_of(shape).items()}


@cache
def _readers_of_query(shape: type[Any]) -> Mapping[str, Read]:
    kinds = _types_of(shape)
    return {each.name: _reader_of_query(kinds[each.name], each) for each in attrs.fields(shape)}


def _reader_of_query(kind: Any, field: "attrs.Attribute[Any]") -> Read:
    """A query holds text alone: numbers are written in digits, flags as `true` or `false`."""
    if kind is int:
        least, most = field.metadata["least"], field.metadata["most"]
        return lambda fields, name: fields.counted(
            name, default=field.default or 0, least=least, most=most
        )
    if kind is bool:
        return Fields.asked_for
    if kind == datetime | None:
        return Fields.maybe_moment
    choices = field.metadata.get("choices") or _words_of(kind)
    if choices:
        return lambda fields, name: fields.maybe_one_of(name, choices)
    return lambda fields, name: fields.maybe_text(name) or None


def _words_of(kind: Any) -> tuple[str, ...]:
    """Returns the words of an optional closed set, such as `TaskStatus | None`; else nothing."""
    literals = [each for each in get_args(kind) if get_origin(each) is Literal]
    return tuple(word for each in literals for word in get_args(each))


def _types_of(shape: type[Any]) -> dict[str, Any]:
    return {
        name: kind
        for name, kind in get_type_hints(shape).items()
        if name in attrs.fields_dict(shape)
    }
