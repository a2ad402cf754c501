"""Why a codex turn failed: its typed errors, or its words where it sent none, as our causes."""

import re
from typing import Any

_NAMED = {
    "usageLimitExceeded": "quota_exhausted",
    "sessionBudgetExceeded": "quota_exhausted",
    "rateLimitExceeded": "rate_limited",
    "serverOverloaded": "overloaded",
    "internalServerError": "overloaded",
    "flexUnavailable": "overloaded",
    "policyCapacityUnavailable": "overloaded",
    "unauthorized": "auth_failed",
    "contextWindowExceeded": "context_full",
    "modelNotFound": "unknown_model",
}

_WORDED = (
    ("quota_exhausted", r"hit your usage limit|insufficient_quota|exceeded your current quota"),
    ("length", r"incomplete response returned, reason: max_output_tokens"),
    ("content_filter", r"incomplete response returned, reason: content_filter"),
    ("context_full", r"context window|context_length_exceeded|Input exceeds the maximum length"),
    ("unknown_session", r"no rollout found|thread not found|invalid session id"),
    ("unknown_model", r"model .* does not exist|model_not_found|model .* is not supported"),
    ("auth_failed", r"\b40[13] (Unauthorized|Forbidden)|Missing environment variable"),
    ("rate_limited", r"\b429\b|rate limit"),
    ("overloaded", r"high demand|at capacity|overloaded|\b5\d\d (Internal|Bad|Service|Gateway)"),
    ("cut_stream", r"stream disconnected|error sending request|connection (closed|reset|refused)"),
)
_PATTERNS = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in _WORDED)


def cause_of(message: str, info: Any = None) -> str:
    """Returns the normalised cause; what nobody recognises is `protocol`."""
    if isinstance(info, str) and info in _NAMED:
        return _NAMED[info]
    if isinstance(info, dict):
        return _by_status(message, info)
    return _by_words(message) or "protocol"


def _by_status(message: str, info: dict[str, Any]) -> str:
    details = next(iter(info.values()), None)
    status = details.get("httpStatusCode") if isinstance(details, dict) else None
    worded = _by_words(message)
    match status:
        case 401 | 403:
            return "auth_failed"
        case 429:
            return "quota_exhausted" if worded == "quota_exhausted" else "rate_limited"
        case int() if status >= 500:
            return "overloaded"
        case int():
            return worded or "protocol"
        case _:
            return worded or "cut_stream"


def _by_words(message: str) -> str | None:
    return next((cause for cause, pattern in _PATTERNS if pattern.search(message)), None)
