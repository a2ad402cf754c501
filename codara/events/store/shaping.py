"""From JSON values to the values of a class: only what JSON cannot hold is touched.

A rebuild reads every event there is, and most fields are texts and numbers that JSON already made
right; a general structuring library converts those too, at twice the price.
"""

import types
import typing
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs

from codara.events.base import Sealed

Maker = Callable[[Any], Any]


def maker_of(kind: Any) -> Maker | None:
    """Returns how a JSON value becomes a value of that type; None where it is one already."""
    if kind is datetime:
        return datetime.fromisoformat
    if attrs.has(kind):
        return class_maker(kind)
    inner = [found for found in typing.get_args(kind) if found not in (Ellipsis, type(None))]
    origin = typing.get_origin(kind)
    make = maker_of(inner[0]) if inner else None
    if origin is tuple:
        return tuple if make is None else lambda values: tuple(make(value) for value in values)
    if origin in (types.UnionType, typing.Union) and make is not None:
        return lambda value: None if value is None else make(value)
    return None


def class_maker(kind: type) -> Maker:
    """Makes an instance of an attrs class from its fields, which it may change on the way.

    A private field may be `Sealed`, and then stays so. Fields the class does not have are passed
    over; TypeError if one is missing that it needs.
    """
    fields = attrs.fields(kind)
    names = {field.name for field in fields}
    makers = [(field.name, make) for field in fields if (make := _field_maker(field))]

    def instance(values: dict[str, Any]) -> Any:
        for name, make in makers:
            if name in values:
                values[name] = make(values[name])
        try:
            return kind(**values)
        except TypeError:
            return kind(**{name: value for name, value in values.items() if name in names})

    return instance


def _field_maker(field: Any) -> Maker | None:
    make = maker_of(field.type)
    if make is None or not field.metadata.get("private"):
        return make
    return lambda value: value if type(value) is Sealed else make(value)
