"""What a signed token (RFC 7519) says of itself, for who only wants to read it."""

import base64
import json
from typing import Any


def claims_of(token: object) -> dict[str, Any]:
    """Returns the claims of a signed token, unchecked; empty if there are no claims."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        return {}
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
