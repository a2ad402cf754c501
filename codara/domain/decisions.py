"""Decisions over several streams: what they get, and what they return."""

from collections.abc import Mapping
from typing import Any

from codara.events.base import Event

States = Mapping[str, Any]
"""The folded state of each stream that a decision reads, by the stream's name."""
Facts = dict[str, list[Event]]
"""The events that a decision appends to each stream; an empty list appends nothing."""
