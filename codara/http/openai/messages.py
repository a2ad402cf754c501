"""The messages of a chat request: their texts, and the user's pictures."""

from typing import Any

from codara.application.ports.agents import Image
from codara.application.turns.commands import Message
from codara.domain.images import MOST
from codara.errors import InvalidRequest, UnsupportedParameter
from codara.http.openai.images import decode_image

_ROLES = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT_OF = {"text": "text", "refusal": "refusal"}
_NO_TEXT = frozenset({"input_audio", "file", "video_url"})


def decode_messages(value: Any) -> tuple[Message, ...]:
    """Returns the messages; InvalidRequest or UnsupportedParameter names the field at fault."""
    if not isinstance(value, list) or not value:
        raise InvalidRequest("messages must be a list of at least one message.", param="messages")
    messages = tuple(_message(each, f"messages[{index}]") for index, each in enumerate(value))
    if not any(_says_something(message) for message in messages):
        raise InvalidRequest("No user message says anything.", param="messages")
    if sum(len(message.images) for message in messages) > MOST:
        raise InvalidRequest(f"A request may hold {MOST} pictures at most.", param="messages")
    return messages


def first_image(value: Any) -> str | None:
    """Returns where the first picture is, in the form of `param`; None without pictures."""
    for at, message in enumerate(value):
        content = message.get("content")
        for index, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") == "image_url":
                return f"messages[{at}].content[{index}]"
    return None


def _says_something(message: Message) -> bool:
    return message.role == "user" and bool(message.text.strip() or message.images)


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where} must be an object.", param=where)
    role = value.get("role")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        roles = ", ".join(_ROLES)
        raise InvalidRequest(f"{where}.role must be one of {roles}.", param=f"{where}.role")
    return _with_content(known, value.get("content"), f"{where}.content")


def _with_content(role: str, content: Any, where: str) -> Message:
    match content:
        case None:
            return Message(role, "")
        case str():
            return Message(role, content)
        case list():
            parts = [_part(each, f"{where}[{at}]", role) for at, each in enumerate(content)]
            texts = [part for part in parts if isinstance(part, str)]
            images = tuple(part for part in parts if isinstance(part, Image))
            return Message(role, "\n".join(texts), images)
        case _:
            raise InvalidRequest(f"{where} must be text, null or a list of parts.", param=where)


def _part(part: Any, where: str, role: str) -> str | Image:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise InvalidRequest(f"{where} must be an object with a type.", param=where)
    if kind == "image_url" and role == "user":
        return decode_image(part, where)
    if kind == "image_url":
        raise UnsupportedParameter("Only user messages may hold pictures.", param=where)
    if kind in _NO_TEXT:
        raise UnsupportedParameter(f"No agent here takes {kind} parts.", param=where)
    if kind not in _TEXT_OF:
        raise InvalidRequest(f"{where} has the unknown type {kind!r}.", param=where)
    field = f"{where}.{_TEXT_OF[kind]}"
    text = part.get(_TEXT_OF[kind])
    if not isinstance(text, str):
        raise InvalidRequest(f"{field} must be text.", param=field)
    return text
