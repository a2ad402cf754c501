"""From a chat request's body and headers to the command that it asks for."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import orjson

from codara.application.callers import Caller
from codara.application.ports.agents import EFFORTS
from codara.application.ports.workspaces import Upload
from codara.application.turns.commands import TurnOptions
from codara.config.settings import ServerSettings
from codara.domain.labels import checked_label
from codara.domain.models import checked_name
from codara.errors import InvalidRequest, UnsupportedParameter, WorkspaceAccessDenied
from codara.http.openai.asides import is_aside, plain_model
from codara.http.openai.conversations import chat_id_of
from codara.http.openai.fields import ChatFields, flag
from codara.http.openai.ignoring import ignored_of, refuse_forced_tools, refuse_other_formats
from codara.http.openai.messages import decode_messages, first_image

_DEFAULT_WORKSPACE = "default"
_PLAIN = ServerSettings()


@attrs.frozen(kw_only=True)
class ChatRequest(TurnOptions):
    """A chat request that is consistent; only its model is not looked up yet."""

    model: str
    provider: str | None
    include_usage: bool
    reasoning: bool
    events: bool
    ignored: tuple[str, ...]
    """The fields that have no effect."""
    first_image: str | None
    """Where the first picture is, in the form of `param`; None without pictures."""


def decode(
    body: Any,
    headers: Mapping[str, str],
    caller: Caller,
    uploads: tuple[Upload, ...] = (),
    server: ServerSettings = _PLAIN,
) -> ChatRequest:
    """Checks everything that the request says; errors name the field that is wrong.

    Fields that have no meaning here, `tools` among them, are ignored, and listed in `ignored`.
    `server` says where else a client may name its chat. InvalidRequest, UnsupportedParameter,
    BodyTooLarge and WorkspaceAccessDenied are possible.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    _refuse_unsupported(body)
    fields = ChatFields(body, headers)
    messages = decode_messages(body.get("messages"))
    label, model = _session_label(fields), _model(body.get("model"))
    workspace = _workspace(fields)
    root = _workspace_root(fields, caller)
    aside = server.asides and label is None and is_aside(body, messages, model)
    return ChatRequest(
        model=checked_name(plain_model(model)[0]) if server.asides else model,
        provider=fields.text("provider"),
        messages=messages,
        workspace=workspace,
        workspace_root=root,
        session_label=label,
        chat=chat_id_of(body, headers, server),
        aside=aside,
        refuse=_refuse(fields),
        effort=_effort(body.get("reasoning_effort")),
        manual=fields.flag("manual_mode", False),
        persistent=fields.flag("session_persistence", True) and not aside,
        stream=flag(body.get("stream"), "stream"),
        include_usage=_include_usage(body.get("stream_options")),
        reasoning=fields.flag("codara_reasoning", False),
        events=fields.flag("codara_events", False),
        ignored=ignored_of(body, server),
        first_image=first_image(body["messages"]),
        uploads=uploads,
        body_digest=_digest(body, uploads),
        idempotency_key=_idempotency_key(headers),
        retry=_is_retry(headers),
    )


def _refuse_unsupported(body: Mapping[str, Any]) -> None:
    n = body.get("n")
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
        raise InvalidRequest("n must be 1.", param="n")
    if n is not None and n > 1:
        raise UnsupportedParameter("An agent gives one answer: n must be 1.", param="n")
    refuse_forced_tools(body)
    refuse_other_formats(body)


def _effort(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value in EFFORTS):
        return value
    known = ", ".join(EFFORTS)
    raise InvalidRequest(f"reasoning_effort must be one of {known}.", param="reasoning_effort")


def _model(value: Any) -> str:
    return checked_name(value.strip() if isinstance(value, str) else "")


def _session_label(fields: ChatFields) -> str | None:
    named = fields.text("client_session_id")
    return None if named is None else checked_label(named, "client_session_id")


def _refuse(fields: ChatFields) -> bool:
    queue = fields.text("queue")
    if queue not in (None, "wait", "refuse"):
        raise InvalidRequest("queue must be wait or refuse.", param="queue")
    return queue == "refuse"


def _workspace(fields: ChatFields) -> str:
    named = fields.text("workspace_id")
    return _DEFAULT_WORKSPACE if named is None else checked_label(named, "workspace_id")


def _workspace_root(fields: ChatFields, caller: Caller) -> str | None:
    root = fields.text("workspace_root")
    if root is not None and caller.operator_id is None:
        raise WorkspaceAccessDenied(
            "Only operators name a workspace by its folder; use workspace_id.",
            param="workspace_root",
        )
    return root


def _include_usage(options: Any) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        raise InvalidRequest("stream_options must be an object.", param="stream_options")
    return flag(options.get("include_usage"), "stream_options.include_usage")


def _digest(body: Mapping[str, Any], uploads: Iterable[Upload]) -> str:
    """Returns the SHA-256 of the body and the files; key order and white space do not count."""
    try:
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as odd:
        raise InvalidRequest(f"The body cannot be read: {odd}.") from odd
    digest = hashlib.sha256(canonical)
    for each in uploads:
        digest.update(b"\0" + each.name.encode() + b"\0" + hashlib.sha256(each.data).digest())
    return digest.hexdigest()


def _idempotency_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 printable ASCII characters.", param="Idempotency-Key"
        )
    return key


def _is_retry(headers: Mapping[str, str]) -> bool:
    """Tells whether an official SDK has sent the request again by itself."""
    count = headers.get("x-stainless-retry-count", "")
    return count.isdecimal() and count.strip("0") != ""
