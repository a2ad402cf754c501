"""How facts of an older shape become today's, on reading; stored bytes stay as they are."""

from collections.abc import Callable, Mapping
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""By stored name and the version that is lifted by one.

An upcaster gets the fields as JSON values, private ones as `Sealed`: it may move those, but not
look into them.
"""


def upcast(
    name: str,
    version: int,
    fields: dict[str, Any],
    *,
    to: int,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> dict[str, Any]:
    """Lifts `fields` step by step from `version` to version `to`; KeyError if a step is missing."""
    for step in range(version, to):
        fields = upcasters[name, step](fields)
    return fields
