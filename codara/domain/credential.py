"""A credential as an operator hands it in: its provider, its kind and its form."""

import json
from typing import Final

import attrs

from codara.errors import InvalidRequest
from codara.events.vocabulary import AuthType
from codara.runtimes import PROVIDERS

API_KEY: Final = "API_KEY"
OAUTH_SESSION: Final = "OAUTH_SESSION"
AUTH_TYPES = (API_KEY, OAUTH_SESSION)

_LONGEST_KEY = 4_096
_LARGEST_SESSION = 64 * 1_024


@attrs.frozen
class _LoginFile:
    """What the login file of a CLI holds, and which command writes that file."""

    tokens: tuple[str, ...]
    under: str
    command: str
    path: str


_LOGIN_FILES = {
    "claude": _LoginFile(
        ("accessToken",), "claudeAiOauth", "claude", "~/.claude/.credentials.json"
    ),
    "codex": _LoginFile(
        ("id_token", "access_token", "refresh_token"), "tokens", "codex login", "~/.codex/auth.json"
    ),
    "gemini": _LoginFile(
        ("access_token", "refresh_token"), "", "gemini", "~/.gemini/oauth_creds.json"
    ),
}
_OPENCODE = (
    "OpenCode has no login of its own: it uses those of the vendors behind it. Hand in the "
    "vendor's API key as an API_KEY account, or its login as an account of that vendor's own "
    "provider (codex, gemini, claude)."
)


def check(provider: str, auth_type: str, credential: bytes) -> bytes:
    """Returns the credential as it is kept; InvalidRequest, without quoting it, if it is wrong."""
    _one_of(PROVIDERS, provider, param="provider")
    checked_auth_type(auth_type)
    if auth_type == API_KEY:
        return _key(credential)
    return _session(provider, credential)


def checked_auth_type(value: str) -> AuthType:
    """Returns the kind of credential that `value` names; InvalidRequest if it names no kind."""
    _one_of(AUTH_TYPES, value, param="auth_type")
    return OAUTH_SESSION if value == OAUTH_SESSION else API_KEY


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
    if provider not in _LOGIN_FILES:
        raise InvalidRequest(_OPENCODE, param="auth_type")
    if len(credential) > _LARGEST_SESSION:
        raise _wrong(f"The session file is larger than {_LARGEST_SESSION} bytes.")
    try:
        session = json.loads(credential)
    except (ValueError, RecursionError) as broken:
        raise _wrong("An OAUTH_SESSION credential is the CLI's own JSON file.") from broken
    if not isinstance(session, dict) or not session:
        raise _wrong("An OAUTH_SESSION credential is a JSON object.")
    _check_tokens(provider, session)
    return credential.strip()


def _check_tokens(provider: str, session: dict[str, object]) -> None:
    file = _LOGIN_FILES[provider]
    tokens = session.get(file.under) if file.under else session
    held = tokens if isinstance(tokens, dict) else {}
    missing = [name for name in file.tokens if not _is_token(held.get(name))]
    if missing:
        under = f" under `{file.under}`" if file.under else ""
        raise _wrong(
            f"The {provider} session holds no {', '.join(missing)}{under}. "
            f"Log in with `{file.command}` and hand in the file it writes, {file.path}."
        )


def _is_token(value: object) -> bool:
    """Tells whether a value can be sent as a token in an HTTP header."""
    return isinstance(value, str) and bool(value) and all("!" <= letter <= "~" for letter in value)


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="credential")
