"""Why a gemini turn failed: the API's status and, where it says more, its words, as our causes."""

import re

from codara.adapters.agents.session.lines import message_of

_WORDED = (
    ("quota_exhausted", r"exhausted your daily quota|exceeded your daily|PerDay|limit:\s*0\b"),
    (
        "auth_failed",
        r"API_KEY_INVALID|login_over|API key not valid|API key expired|must specify the GEMINI",
    ),
    ("auth_failed", r"UNAUTHENTICATED|PERMISSION_DENIED|Authentication required|Invalid auth"),
    ("context_full", r"token count exceeds|exceeds the maximum number of tokens"),
    ("unknown_session", r"Invalid session identifier|Session not found|No previous sessions"),
    ("unknown_model", r"models/\S+ is not found|is not supported for generateContent"),
    ("rate_limited", r"exceeded your current quota|Rate limit exceeded|RESOURCE_EXHAUSTED"),
    ("overloaded", r"overloaded|UNAVAILABLE|no_account_lent|upstream_unreachable"),
    ("cut_stream", r"\bterminated\b|fetch failed|other side closed|socket hang up|premature"),
)
_PATTERNS = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in _WORDED)
_WRAPPED = re.compile(r"\A\[API Error: (.*?)\](?=\s*\Z|\nPlease wait)", re.DOTALL)
_NOISE = ("Warning: ", "YOLO mode is enabled", "Ripgrep is not available", "[STARTUP] ")
_STATUS = re.compile(r'"code":\s*(\d{3})\b')


def cause_of(message: str, status: int | None = None) -> str:
    """Returns the normalised cause; what nobody recognises is `protocol`."""
    worded = next((cause for cause, pattern in _PATTERNS if pattern.search(message)), None)
    if worded is not None:
        return worded
    found = _STATUS.search(message)
    return _by_status(int(found[1]) if found else status) or "protocol"


def plainly(message: str) -> str:
    """Returns the message without the wrapping that gemini and the API put around it."""
    inner = _WRAPPED.sub(r"\1", message).strip()
    error = (message_of(inner.encode("utf-8", "replace")) or {}).get("error")
    said = error.get("message") if isinstance(error, dict) else None
    return str(said or inner)


def without_noise(stderr: str) -> str:
    """Returns what gemini wrote to stderr, but for what it writes there in any case."""
    lines = stderr.splitlines()
    return "\n".join(line for line in lines if not line.startswith(_NOISE)).strip()


def _by_status(status: int | None) -> str | None:
    match status:
        case 401 | 403:
            return "auth_failed"
        case 404:
            return "unknown_model"
        case 429:
            return "rate_limited"
        case int() if 500 <= status <= 599:
            return "overloaded"
        case _:
            return None
