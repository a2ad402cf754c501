"""Why a claude turn failed: by the API's status, or by its words where no status came."""

import re

_NAMED = {
    "authentication_failed": "auth_failed",
    "oauth_org_not_allowed": "auth_failed",
    "billing_error": "quota_exhausted",
    "model_not_found": "unknown_model",
    "overloaded": "overloaded",
    "server_error": "overloaded",
}

_WORDED = (
    ("unknown_session", r"No (conversation|message) found|requires a valid session ID"),
    ("quota_exhausted", r"usage limit|hit your (\w+ )?limit|credit balance is too low"),
    ("length", r"exceeded the \d+ output token maximum"),
    ("content_filter", r"unable to respond to this request"),
    ("context_full", r"prompt is too long|context (window|limit)"),
    ("unknown_model", r"issue with the selected model"),
    (
        "auth_failed",
        r"not logged in|run /login|invalid api key|token has (expired|been revoked)",
    ),
    ("stalled", r"stream idle timeout|request timed out"),
    ("rate_limited", r"\b429\b|rate limit"),
    ("overloaded", r"overloaded|\b5\d\d\b"),
    (
        "cut_stream",
        r"stream ended|stream closed|malformed response|connection|ECONN|socket|fetch failed",
    ),
)
_PATTERNS = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in _WORDED)

_OVERLOADED = 500


def cause_of(
    message: str, *, status: int | None = None, kind: str = "", retried: bool = True
) -> str:
    """Returns the normalised cause; what nobody recognises is `protocol`.

    `status` is the API's answer, `kind` claude's own word for it. claude does not retry a 429 that
    says to come back much later: that is a quota used up.
    """
    worded = _by_words(message)
    match status:
        case 401 | 403:
            return "auth_failed"
        case 404:
            return "unknown_model"
        case 413:
            return "context_full"
        case 429 if worded == "quota_exhausted" or not retried:
            return "quota_exhausted"
        case 429:
            return "rate_limited"
        case int() if status >= _OVERLOADED:
            return "overloaded"
    return worded or _NAMED.get(kind, "protocol")


def _by_words(message: str) -> str | None:
    return next((cause for cause, pattern in _PATTERNS if pattern.search(message)), None)
