"""Operators' tokens: JSON Web Tokens (RFC 7519), signed with a key made from the passkey."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import jwt

from codara.errors import InvalidApiKey

ACCESS: Final = "access"
REFRESH: Final = "refresh"
LIFETIMES: Final = {ACCESS: timedelta(hours=8), REFRESH: timedelta(days=7)}

_ALGORITHM = "HS256"
_CLAIMS = ["sub", "purpose", "jti", "iat", "exp", "iss"]
_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "require": _CLAIMS}
"""Times are compared with our own clock. `Any`: versions of PyJWT type this differently."""


def fresh_token_id() -> str:
    """Returns an id that no other token has."""
    return secrets.token_hex(16)


class ForeignToken(InvalidApiKey):
    """The text is not a token that this gateway ever gave."""


@attrs.frozen(kw_only=True)
class Claims:
    """The content of a valid token."""

    operator_id: str
    purpose: str
    token_id: str


@attrs.frozen
class TokenMint:
    """Signs and reads the tokens of one gateway; those of another passkey or issuer are invalid."""

    _secret: bytes = attrs.field(repr=False)
    _issuer: str

    @classmethod
    def of_passkey(cls, passkey: str, issuer: str) -> "TokenMint":
        """Makes the mint; `issuer` is the id of the log that knows which tokens were revoked."""
        secret = hmac.new(passkey.encode(), b"codara operator tokens 1", hashlib.sha256).digest()
        return cls(secret, issuer)

    def sign(
        self, operator_id: str, purpose: str, now: datetime, *, token_id: str | None = None
    ) -> str:
        """Makes a token that lasts as long as its purpose allows (`LIFETIMES`).

        With the same arguments, `token_id` among them, it is the same text every time.
        """
        claims = {
            "sub": operator_id,
            "purpose": purpose,
            "jti": token_id or fresh_token_id(),
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIMES[purpose]).timestamp()),
            "iss": self._issuer,
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def read(self, token: str, now: datetime) -> Claims:
        """Reads a token; ForeignToken if it is not ours, InvalidApiKey if it has expired."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                options=_OPTIONS,
            )
        except (jwt.PyJWTError, ValueError) as broken:
            raise ForeignToken("The token is not one of this gateway's. Log in again.") from broken
        if claims["exp"] <= now.timestamp():
            raise InvalidApiKey("The token has expired. Refresh it, or log in again.")
        return Claims(operator_id=claims["sub"], purpose=claims["purpose"], token_id=claims["jti"])
