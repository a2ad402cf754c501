"""Which of its client's chats a request says it belongs to."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from codara.config.settings import ServerSettings

MAX_CHARACTERS = 200
_METADATA = "metadata"
_IN_METADATA = ("chat_id", "session_id", "conversation_id")
_HEADER = "X-OpenWebUI-Chat-Id"
_NAMES_NO_CHAT = frozenset({"user", "prompt_cache_key", "safety_identifier"})


def chat_id_of(
    body: Mapping[str, Any], headers: Mapping[str, str], settings_server: ServerSettings
) -> str | None:
    """Returns the client's own id of the chat; None if the request holds no valid one.

    The first place that holds one wins, and the place is not part of the id. It never names a
    session.
    """
    values = map(_as_id, _values(body, headers, settings_server))
    return next((value for value in values if value is not None), None)


def is_read(field: str, server: ServerSettings) -> bool:
    """Tells whether that field of a request's body may name its client's chat."""
    return field in server.conversation_fields and field not in _NAMES_NO_CHAT


def _values(
    body: Mapping[str, Any], headers: Mapping[str, str], settings_server: ServerSettings
) -> Iterator[Any]:
    given = body.get(_METADATA)
    metadata = given if isinstance(given, dict) else {}
    for name in _IN_METADATA:
        yield metadata.get(name)
    for header in (_HEADER, *settings_server.conversation_headers):
        yield headers.get(header)
    for field in settings_server.conversation_fields:
        place, dot, name = field.partition(".")
        if dot and place == _METADATA:
            yield metadata.get(name)
        elif is_read(field, settings_server):
            yield body.get(field)


def _as_id(value: Any) -> str | None:
    """Returns the text without surrounding white space if it is short and plain; else None."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_CHARACTERS:
        return None
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        return None
    return value.strip() or None
