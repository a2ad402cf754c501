"""The trail of events that the demo's turns left, in words."""

from collections.abc import Mapping, Sequence
from typing import Any


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a line per event, oldest first: position, name, and what it is about."""
    ordered = sorted(rows, key=lambda row: int(row["position"]))
    digits = max((len(str(row["position"])) for row in ordered), default=0)
    width = max((len(row["action"]) for row in ordered), default=0)
    return [
        f"{row['position']:>{digits}}  {row['action']:<{width}}  {row['target_id']}"
        for row in ordered
    ]
