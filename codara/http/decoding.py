"""Reads fields of what a client sent: each with its type, or an error that names the field."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from codara.errors import InvalidRequest

_FIRST_MILLISECONDS = 100_000_000_000
"""A number of seconds this large would be in the year 5138: it is milliseconds."""


@attrs.frozen
class Fields:
    """The fields of a JSON object, form or query. Null counts as missing.

    Every method raises InvalidRequest, with the field's name as `param`, for a value of another
    type.
    """

    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Returns a text that is not blank; InvalidRequest if it is missing."""
        value = self.maybe_text(name)
        if value is None or not value.strip():
            raise InvalidRequest(f"{name} is missing.", param=name)
        return value

    def maybe_text(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise _wrong(name, "a text")
        return value

    def maybe_one_of(self, name: str, choices: Sequence[str]) -> str | None:
        """Returns one of the words; an empty text counts as missing."""
        value = self.maybe_text(name) or None
        if value is not None and value not in choices:
            raise _wrong(name, f"one of {', '.join(choices)}")
        return value

    def maybe_integer(self, name: str) -> int | None:
        value = self.values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise _wrong(name, "a whole number")
        return value

    def maybe_number(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _wrong(name, "a number")
        return None if value is None else float(value)

    def flag(self, name: str) -> bool:
        """Returns true or false; false if it is missing."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise _wrong(name, "true or false")
        return bool(value)

    def asked_for(self, name: str) -> bool:
        """Tells whether a query says `true`; false if it says `false`, or nothing."""
        said = self.maybe_text(name)
        if said not in (None, "", "true", "false"):
            raise _wrong(name, "true or false")
        return said == "true"

    def maybe_moment(self, name: str) -> datetime | None:
        """Returns a time: ISO 8601 (UTC if it has no offset), or Unix seconds or milliseconds."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        try:
            return _moment(value)
        except (ValueError, TypeError, OverflowError, OSError) as broken:
            raise _wrong(name, "a time such as 2030-01-31T12:00:00Z") from broken

    def counted(self, name: str, *, default: int, least: int, most: int) -> int:
        """Returns a whole number from `least` to `most` that is written as text, as in a query."""
        value = self.maybe_text(name)
        if value is None:
            return default
        digits = value.isascii() and value.isdigit() and len(value) < 19
        if not digits or not least <= int(value) <= most:
            raise _wrong(name, f"a whole number from {least} to {most}")
        return int(value)


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if value >= _FIRST_MILLISECONDS else value
        return datetime.fromtimestamp(seconds, UTC)
    parsed = datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _wrong(name: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{name} must be {expected}.", param=name)
