"""The trail of events that the demo's turns left, in words."""

from collections.abc import Mapping, Sequence
from typing import Any


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per event, oldest first: position, name, actor, and what it is about."""
    ordered = sorted(rows, key=lambda row: int(row["position"]))
    name_width = max((len(row["action"]) for row in ordered), default=0)
    width = len(str(ordered[-1]["position"])) if ordered else 0
    return [
        f"{row['position']:>{width}}  {row['action']:<{name_width}}  "
        f"{row['target_type']}/{row['target_id']}  by {row['actor']}"
        for row in ordered
    ]
