"""Why an opencode turn failed: its named errors, HTTP's status and the words, as our causes."""

import re
from collections.abc import Mapping
from typing import Any

import attrs

MOST_ATTEMPTS = 2
"""How often one request may fail before the turn does."""
LONGEST_WAIT_MS = 10_000
INTERRUPTED = "interrupted"

_NAMED = {
    "ContextOverflowError": "context_full",
    "MessageAbortedError": INTERRUPTED,
    "MessageOutputLengthError": "length",
    "ProviderAuthError": "auth_failed",
    "ProviderModelNotFoundError": "unknown_model",
}
_WORDED = (
    ("quota_exhausted", r"insufficient_quota|exceeded your current quota|usage limit|billing"),
    ("context_full", r"context window|context_length_exceeded|maximum context length"),
    ("content_filter", r"provider's content filter"),
    ("unknown_session", r"Session not found"),
    ("unknown_model", r"model .* does not exist|model_not_found|ModelNotFound|Model not found"),
    ("auth_failed", r"invalid_api_key|incorrect api key|Unauthorized"),
    ("rate_limited", r"rate.?limit|too many requests"),
    ("overloaded", r"overloaded|at capacity|high demand|cannot be reached"),
    ("cut_stream", r"socket connection|Connection (reset|closed)|Cannot connect|terminated"),
)
_PATTERNS = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in _WORDED)
_BY_STATUS = {401: "auth_failed", 402: "quota_exhausted", 403: "auth_failed", 404: "unknown_model"}


@attrs.frozen
class Retry:
    """opencode means to ask again by itself; `next_at` is when, in ms since the epoch."""

    attempt: int
    message: str
    next_at: int | None = None


def cause_of_error(error: Mapping[str, Any]) -> str:
    """Returns the cause of one of opencode's errors: what nobody recognises is `protocol`."""
    data = error.get("data") or {}
    named = _NAMED.get(str(error.get("name")))
    if named is not None:
        return named
    text = f"{data.get('message', '')} {data.get('responseBody', '')}"
    status = data.get("statusCode")
    return cause_of(text, status if isinstance(status, int) else None)


def cause_of(text: str, status: int | None = None) -> str:
    """Returns the cause that an answer's status and words tell together."""
    worded = next((cause for cause, pattern in _PATTERNS if pattern.search(text)), None)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 429:
        return "quota_exhausted" if worded == "quota_exhausted" else "rate_limited"
    if status is not None and status >= 500:
        return "overloaded"
    return worded or "protocol"


def gives_up(retry: Retry, *, status: int | None, spoke: bool, now: int) -> str | None:
    """Why the turn should end instead of waiting for the next attempt; None: let it wait.

    `status` is what the provider answered last. A step that has said something (`spoke`) would say
    it twice; an empty account stays empty.
    """
    refused = status if status is not None and status >= 400 else None
    cause = cause_of(retry.message, refused)
    if cause == "protocol":
        cause = "overloaded" if refused else "cut_stream"
    long = retry.next_at is not None and retry.next_at - now > LONGEST_WAIT_MS
    hopeless = spoke or cause in ("quota_exhausted", "auth_failed", "unknown_model")
    return cause if hopeless or long or retry.attempt >= MOST_ATTEMPTS else None
