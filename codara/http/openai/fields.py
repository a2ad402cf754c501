"""Our own fields of a chat request: where they may be, and of which type."""

from collections.abc import Mapping
from typing import Any

import attrs

from codara.errors import InvalidRequest

OWN_FIELDS = frozenset(
    {
        "provider",
        "workspace_id",
        "client_session_id",
        "workspace_root",
        "manual_mode",
        "session_persistence",
        "queue",
        "codara_reasoning",
        "codara_events",
    }
)
"""The names of our own fields."""
_PLACES = ("uag_options", "metadata")
_HEADERS = {
    "client_session_id": "X-Codara-Session",
    "workspace_id": "X-Codara-Workspace",
    "provider": "X-Codara-Provider",
}
_WORDS = {"true": True, "false": False}


@attrs.frozen
class ChatFields:
    """Looks a field up at the top level, in `uag_options`, in `metadata`, then in the headers.

    The first place that holds it wins; null counts as missing.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """Returns a string, None if it is missing; InvalidRequest for another type."""
        value = self._value(name)
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"{name} must be a string.", param=name)
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Returns a boolean; "true" and "false" count as well, as `metadata` holds only strings."""
        value = self._value(name)
        if isinstance(value, str):
            value = _WORDS.get(value.lower(), value)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} must be true or false.", param=name)
        return value

    def metadata(self, name: str) -> str | None:
        """Returns a string of `metadata`; None if it is missing or of another type."""
        value = self._place("metadata").get(name)
        return value if isinstance(value, str) else None

    def _value(self, name: str) -> Any:
        for place in (self.body, *map(self._place, _PLACES)):
            if place.get(name) is not None:
                return place[name]
        return self.headers.get(_HEADERS.get(name, ""), "").strip() or None

    def _place(self, name: str) -> Mapping[str, Any]:
        place = self.body.get(name)
        if place is None:
            return {}
        if not isinstance(place, dict):
            raise InvalidRequest(f"{name} must be an object.", param=name)
        return place


def flag(value: Any, param: str) -> bool:
    """Returns a boolean field of OpenAI's; false if it is missing."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{param} must be true or false.", param=param)
