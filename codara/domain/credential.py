"""A credential, as an operator hands it in: which providers and kinds there are, and its form."""

import json

from codara.domain.models import PROVIDERS
from codara.errors import InvalidRequest

API_KEY = "API_KEY"
OAUTH_SESSION = "OAUTH_SESSION"
AUTH_TYPES = (API_KEY, OAUTH_SESSION)

_LONGEST_KEY = 4_096
_LARGEST_SESSION = 64 * 1_024
_CODEX_TOKENS = ("id_token", "access_token", "refresh_token")


def check(provider: str, auth_type: str, credential: bytes) -> bytes:
    """The credential as it is kept; InvalidRequest, never quoting it, if it cannot be one."""
    _one_of(PROVIDERS, provider, param="provider")
    _one_of(AUTH_TYPES, auth_type, param="auth_type")
    if auth_type == API_KEY:
        return _key(credential)
    return _session(provider, credential)


def _one_of(choices: tuple[str, ...], value: str, *, param: str) -> None:
    if value not in choices:
        raise InvalidRequest(f"{param} is one of {', '.join(choices)}.", param=param)


def _key(credential: bytes) -> bytes:
    bare = credential.strip()
    if not bare:
        raise _wrong("The API key is empty.")
    if len(bare) > _LONGEST_KEY:
        raise _wrong(f"The API key is longer than {_LONGEST_KEY} characters.")
    if any(not 0x21 <= byte <= 0x7E for byte in bare):
        raise _wrong("The API key holds a space, a control character or a letter beyond ASCII.")
    return bare


def _session(provider: str, credential: bytes) -> bytes:
    if len(credential) > _LARGEST_SESSION:
        raise _wrong(f"The session file is larger than {_LARGEST_SESSION} bytes.")
    try:
        session = json.loads(credential)
    except (ValueError, RecursionError) as broken:
        raise _wrong("An OAUTH_SESSION credential is the CLI's own JSON file.") from broken
    if not isinstance(session, dict) or not session:
        raise _wrong("An OAUTH_SESSION credential is a JSON object.")
    if provider == "codex":
        _check_codex(session.get("tokens"))
    return credential.strip()


def _check_codex(tokens: object) -> None:
    held = tokens if isinstance(tokens, dict) else {}
    missing = [name for name in _CODEX_TOKENS if not isinstance(held.get(name), str)]
    if missing:
        raise _wrong(
            f"The Codex session holds no {', '.join(missing)} under `tokens`. "
            "Log in with `codex login` and hand in its auth.json."
        )


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="credential")
