"""A credential as an operator hands it in: its provider, its kind and its form."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import attrs

from codara.claims import claims_of
from codara.errors import InvalidRequest
from codara.events.vocabulary import AuthType
from codara.runtimes import PROVIDERS

API_KEY: Final = "API_KEY"
OAUTH_SESSION: Final = "OAUTH_SESSION"
AUTH_TYPES = (API_KEY, OAUTH_SESSION)

LARGEST: Final = 128 * 1_024
"""How many bytes a credential may have, as it is handed in."""
_LONGEST_KEY = 4_096
_ASSIGNMENT = re.compile(rb"(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*[^=\s]")
_EMPTY_ASSIGNMENT = re.compile(rb"(export\s+)?[A-Z][A-Z0-9]*_[A-Z0-9_]*\s*=\s*")
_HEADER = re.compile(rb"(authorization|(x-)?api-key|bearer)(\s*:|\s)", re.IGNORECASE)
_OPENAI_CLAIMS = "https://api.openai.com/auth"

_Tokens = dict[str, Any]


def _chatgpt_user(tokens: _Tokens) -> tuple[object, ...]:
    """Returns the ChatGPT account, which several people may share, and the person."""
    claims = claims_of(tokens.get("id_token"))
    held = claims.get(_OPENAI_CLAIMS)
    of_openai = held if isinstance(held, dict) else {}
    account = tokens.get("account_id") or of_openai.get("chatgpt_account_id")
    return account, of_openai.get("chatgpt_user_id") or claims.get("sub")


def _google_user(tokens: _Tokens) -> tuple[object, ...]:
    return (claims_of(tokens.get("id_token")).get("sub"),)


def _claude_user(_: _Tokens) -> tuple[object, ...]:
    """Returns nothing: Claude Code's login file does not say whose login it is."""
    return ()


@attrs.frozen
class _LoginFile:
    """What the login file of a CLI holds, and which command writes that file.

    `user` finds in its tokens whose login it is; `lasting` names those that tell one login from
    another otherwise, the one that lasts longest first.
    """

    tokens: tuple[str, ...]
    under: str
    command: str
    path: str
    user: Callable[[_Tokens], tuple[object, ...]]
    lasting: tuple[str, ...]

    def held(self, session: dict[str, Any]) -> _Tokens:
        """Returns the object with the tokens, or an empty one."""
        tokens = session.get(self.under) if self.under else session
        return tokens if isinstance(tokens, dict) else {}


_LOGIN_FILES = {
    "claude": _LoginFile(
        ("accessToken",),
        "claudeAiOauth",
        "claude",
        "~/.claude/.credentials.json",
        _claude_user,
        ("refreshToken", "accessToken"),
    ),
    "codex": _LoginFile(
        ("id_token", "access_token", "refresh_token"),
        "tokens",
        "codex login",
        "~/.codex/auth.json",
        _chatgpt_user,
        ("refresh_token",),
    ),
    "gemini": _LoginFile(
        ("access_token", "refresh_token"),
        "",
        "gemini",
        "~/.gemini/oauth_creds.json",
        _google_user,
        ("refresh_token",),
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
    if len(credential) > LARGEST:
        raise _wrong(f"The credential is larger than {LARGEST // 1_024} KiB.")
    if auth_type == API_KEY:
        return _key(credential)
    return _session(provider, credential)


def sameness(provider: str, auth_type: str, checked: bytes) -> bytes:
    """Returns what two credentials have in common that are one secret, or one person's login.

    `checked` is what `check` returned. For an API key it is the key itself. For a login it is who
    logged in, which stays when its tokens are refreshed; if the file does not say, it is the token
    that lasts longest.
    """
    if auth_type == API_KEY:
        return checked
    file = _LOGIN_FILES[provider]
    tokens = file.held(json.loads(checked))
    user = [part for part in file.user(tokens) if isinstance(part, str) and part]
    token = next((tokens[name] for name in file.lasting if _is_token(tokens.get(name))), "")
    return json.dumps([provider, "user", *user] if user else [provider, "token", token]).encode()


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
    mistake = _mistake(bare)
    if mistake:
        raise _wrong(f"{mistake} Hand in the bare key alone.")
    if len(bare) > _LONGEST_KEY:
        raise _wrong(f"The API key is longer than {_LONGEST_KEY} characters.")
    if any(not 0x21 <= byte <= 0x7E for byte in bare):
        raise _wrong("The API key holds a control character or a letter beyond ASCII.")
    return bare


def _mistake(bare: bytes) -> str:
    """Returns what has been handed in for an API key; empty if it may be one."""
    if bare[:1] in b"{[":
        return "This is JSON and not an API key; the login file of a CLI is an OAUTH_SESSION."
    if len(bare.splitlines()) > 1:
        return "The API key has several lines."
    if _ASSIGNMENT.match(bare) or _EMPTY_ASSIGNMENT.fullmatch(bare):
        return "This is a line NAME=value, as of an environment file, and not an API key."
    if bare[:1] in b"\"'`":
        return "The API key is in quotation marks."
    if _HEADER.match(bare):
        return "This is an HTTP header and not an API key."
    return "The API key holds white space." if len(bare.split()) > 1 else ""


def _session(provider: str, credential: bytes) -> bytes:
    if provider not in _LOGIN_FILES:
        raise InvalidRequest(_OPENCODE, param="auth_type")
    file = _LOGIN_FILES[provider]
    wanted = f"An OAUTH_SESSION is the JSON file that `{file.command}` writes, {file.path}"
    try:
        session = json.loads(credential)
    except (ValueError, RecursionError) as broken:
        raise _wrong(f"This is not JSON. {wanted}; an API key is an API_KEY.") from broken
    if not isinstance(session, dict) or not session:
        raise _wrong(f"This is JSON, but not an object with tokens. {wanted}.")
    _check_tokens(provider, session)
    return credential.strip()


def _check_tokens(provider: str, session: dict[str, Any]) -> None:
    file = _LOGIN_FILES[provider]
    held = file.held(session)
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
