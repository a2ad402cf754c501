"""Which session a chat request belongs to."""

import hashlib
from collections.abc import Sequence

from codara.application.callers import Caller
from codara.application.turns.commands import Message
from codara.domain.labels import checked_label
from codara.errors import InvalidRequest
from codara.http.openai.fields import Fields

_DEFAULT = "default"


def session_label(
    fields: Fields, caller: Caller, workspace: str, messages: Sequence[Message]
) -> str:
    """The session the request names, or the one that follows from what it holds.

    A label the client chose for us must be a good one, or InvalidRequest; what it calls its
    conversation for other reasons is used as it is if it could be a label, else by its hash.
    """
    named = fields.text("client_session_id")
    if named is not None:
        return checked_label(named, "client_session_id")
    hint = _hint(fields)
    if hint is not None:
        return _as_label(hint)
    if not _is_conversation(messages):
        return _DEFAULT
    first = next(message.text for message in messages if message.role == "user")
    return _hashed("auto", caller.key_id or caller.actor, workspace, first.strip())


def _hint(fields: Fields) -> str | None:
    """OpenAI's own fields that tell conversations apart."""
    given = (fields.body.get("prompt_cache_key"), fields.body.get("user"))
    hints = (*given, fields.metadata("chat_id"))
    return next((hint for hint in hints if isinstance(hint, str) and hint.strip()), None)


def _as_label(hint: str) -> str:
    if hint.startswith("ses_"):
        return _hashed("hint", hint)
    try:
        return checked_label(hint, "user")
    except InvalidRequest:
        return _hashed("hint", hint)


def _is_conversation(messages: Sequence[Message]) -> bool:
    """Whether a client sends its history along: then the first words tell sessions apart."""
    roles = [message.role for message in messages]
    return "assistant" in roles or roles.count("user") > 1


def _hashed(kind: str, *parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"{kind}-{digest.hexdigest()[:32]}"
