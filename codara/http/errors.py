"""From error codes to HTTP statuses: one table, and the middleware that uses it."""

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from codara.errors import (
    BodyTooLarge,
    CodaraError,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
)
from codara.http.encodings import refuse_unknown_encoding
from codara.http.nowhere import nowhere
from codara.http.requests import identity_of, preflight

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("codara.http")

_REQUEST = "invalid_request_error"
_LIMIT = "rate_limit_error"
_SERVER = "server_error"

TABLE: dict[str, tuple[int, str]] = {
    "invalid_request": (400, _REQUEST),
    "unsupported_parameter": (400, _REQUEST),
    "context_length_exceeded": (400, _REQUEST),
    "invalid_api_key": (401, "authentication_error"),
    "user_suspended": (403, "permission_error"),
    "workspace_access_denied": (403, "permission_error"),
    "not_found": (404, _REQUEST),
    "model_not_found": (404, _REQUEST),
    "method_not_allowed": (405, _REQUEST),
    "session_busy": (409, "conflict_error"),
    "workspace_busy": (409, "conflict_error"),
    "conflict": (409, "conflict_error"),
    "idempotency_conflict": (409, "conflict_error"),
    "task_cancelled": (409, "conflict_error"),
    "body_too_large": (413, _REQUEST),
    "rate_limited": (429, _LIMIT),
    "budget_exhausted": (429, "insufficient_quota"),
    "concurrency_limit": (429, _LIMIT),
    "all_accounts_cooling": (429, _LIMIT),
    "client_closed_request": (499, _REQUEST),
    "internal": (500, _SERVER),
    "agent_failed": (502, _SERVER),
    "agent_auth_failed": (502, _SERVER),
    "agent_stalled": (502, _SERVER),
    "no_account": (503, _SERVER),
    "account_refused": (503, _SERVER),
    "agent_missing": (503, _SERVER),
    "no_free_account": (503, _SERVER),
    "jail_unavailable": (503, _SERVER),
    "agent_overloaded": (503, _SERVER),
    "provider_unreachable": (503, _SERVER),
    "overloaded": (503, _SERVER),
    "storage_full": (503, _SERVER),
    "storage_failed": (503, _SERVER),
    "shutting_down": (503, _SERVER),
    "turn_timeout": (504, _SERVER),
}
"""Maps a code to its status and OpenAI's `type`; a code not in it is shown as `internal`."""

_OF_REFUSALS = ("Allow", "Accept-Encoding")
"""What a refusal of the framework's says besides its status."""
_NEVER_RETRY = frozenset(
    {
        "session_busy",
        "workspace_busy",
        "conflict",
        "idempotency_conflict",
        "task_cancelled",
        "no_account",
        "account_refused",
        "agent_missing",
    }
)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers every failure, ours or the framework's, in OpenAI's format."""
    try:
        granted = preflight(request)
        if granted is not None:
            return granted
        refuse_unknown_encoding(request)
        return await handler(request)
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        return refusal_response(refused, _translated(request, refused))
    except web.RequestPayloadError as broken:
        return error_response(InvalidRequest(f"The body cannot be read: {broken}."))
    except Exception as error:
        if isinstance(error, ConnectionError) and _has_left(request):
            raise
        return error_response(presentable(request, error), identity_of(request).request_id)


def presentable(request: web.Request, error: Exception) -> CodaraError:
    """Returns the error as the caller may see it.

    An error that the table does not name is a defect: its details go to the log, with the request's
    id.
    """
    if isinstance(error, CodaraError) and error.code in TABLE and error.code != "internal":
        return error
    request_id = identity_of(request).request_id
    _log.error("request %s failed", request_id, exc_info=error)
    return Internal(
        f"Something went wrong in the gateway. Its log tells more about request {request_id}."
    )


def error_response(error: CodaraError, request_id: str | None = None) -> web.Response:
    """Makes the response for a presentable error, with the headers that retrying clients obey."""
    status, _ = TABLE[error.code]
    return web.Response(
        status=status,
        body=orjson.dumps(error_body(error, request_id)),
        content_type="application/json",
        headers=_headers(status, error),
    )


def error_body(error: CodaraError, request_id: str | None = None) -> dict[str, Any]:
    """Returns `{"error": …}` in OpenAI's format.

    If there is a cause, it stands beside it with the request's id, by which an operator finds the
    rest: `{"codara": {"cause", "request_id"}}`.
    """
    shown = {
        "message": _clean(error.message),
        "type": TABLE[error.code][1],
        "param": None if error.param is None else _clean(error.param),
        "code": error.code,
    }
    body: dict[str, Any] = {"error": shown}
    if error.cause is not None:
        body["codara"] = {"cause": error.cause, "request_id": request_id}
    return body


def refusal_response(refused: web.HTTPException, error: CodaraError) -> web.Response:
    """Makes the response for a refusal of the framework's, told as `error` but with its status."""
    response = error_response(error)
    if error.code == "invalid_request":
        response.set_status(refused.status)
    for name in _OF_REFUSALS:
        if name in refused.headers:
            response.headers[name] = refused.headers[name]
    return response


def _translated(request: web.Request, refused: web.HTTPException) -> CodaraError:
    match refused.status:
        case 404:
            return NotFound(nowhere(request.path))
        case 405:
            allowed = refused.headers.get("Allow", "")
            return MethodNotAllowed(f"{request.path} takes {allowed}, not {request.method}.")
        case 413:
            return too_large(request)
        case status if status < 500:
            return InvalidRequest(refused.text or refused.reason)
        case _:
            return presentable(request, refused)


def too_large(request: web.Request) -> BodyTooLarge:
    """Returns the error for a body that is larger than `server.max_body_bytes`."""
    limit = request.client_max_size
    return BodyTooLarge(f"The body is larger than the {limit} bytes this gateway takes.")


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _headers(status: int, error: CodaraError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after)))
    if not error.retry_safe or error.code in _NEVER_RETRY:
        headers["x-should-retry"] = "false"
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _clean(text: str) -> str:
    """Replaces lone surrogates by question marks: a header can hold them, but UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
