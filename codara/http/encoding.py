"""How values become JSON: the one place where rows become what a client sees."""

from functools import lru_cache
from typing import Any

import attrs

from codara.projections.engine.base import NOT_YET

_PLAIN = frozenset({str, int, float, bool, dict, type(None)})
"""The types of most fields; their values need no change."""


def shown(value: Any) -> Any:
    """Turns a value into what orjson writes: frozen classes into objects, tuples into lists.

    A class's fields keep their names and order; a field that is `NOT_YET` is left out. Times,
    mappings and plain values stay as they are.
    """
    if isinstance(value, list | tuple):
        return [shown(each) for each in value]
    names = _names(type(value))  # type: ignore[arg-type]  # a class is hashable
    return value if names is None else _object(value, names)


def _object(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    fields = {name: getattr(value, name) for name in names}
    return {
        name: each if type(each) in _PLAIN else shown(each)
        for name, each in fields.items()
        if each is not NOT_YET
    }


@lru_cache(maxsize=256)
def _names(kind: type[Any]) -> tuple[str, ...] | None:
    """Returns the names of the fields of an attrs class; None for any other class."""
    return tuple(each.name for each in attrs.fields(kind)) if attrs.has(kind) else None
