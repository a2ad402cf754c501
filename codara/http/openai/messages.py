"""The messages of a chat request, as text."""

from typing import Any

from codara.application.turns.commands import Message
from codara.errors import InvalidRequest, UnsupportedParameter

_ROLES = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT_OF = {"text": "text", "refusal": "refusal"}
_NO_TEXT = frozenset({"image_url", "input_audio", "file", "video_url"})


def decode_messages(value: Any) -> tuple[Message, ...]:
    """The messages; InvalidRequest or UnsupportedParameter names the field that is wrong."""
    if not isinstance(value, list) or not value:
        raise InvalidRequest("messages must be a list of at least one message.", param="messages")
    messages = tuple(_message(each, f"messages[{index}]") for index, each in enumerate(value))
    if not any(message.role == "user" and message.text.strip() for message in messages):
        raise InvalidRequest("No user message says anything.", param="messages")
    return messages


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where} must be an object.", param=where)
    role = value.get("role")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        roles = ", ".join(_ROLES)
        raise InvalidRequest(f"{where}.role must be one of {roles}.", param=f"{where}.role")
    return Message(known, _text(value.get("content"), f"{where}.content"))


def _text(content: Any, where: str) -> str:
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            parts = [_part(each, f"{where}[{index}]") for index, each in enumerate(content)]
            return "\n".join(parts)
        case _:
            raise InvalidRequest(f"{where} must be text, null or a list of parts.", param=where)


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise InvalidRequest(f"{where} must be an object with a type.", param=where)
    if kind in _NO_TEXT:
        raise UnsupportedParameter(f"No agent here takes {kind} parts, only text.", param=where)
    if kind not in _TEXT_OF:
        raise InvalidRequest(f"{where} has the unknown type {kind!r}.", param=where)
    field = f"{where}.{_TEXT_OF[kind]}"
    text = part.get(_TEXT_OF[kind])
    if not isinstance(text, str):
        raise InvalidRequest(f"{field} must be text.", param=field)
    return text
