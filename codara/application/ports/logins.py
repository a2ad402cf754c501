"""Logins: accounts whose credential is a CLI's own login, with tokens that expire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class Token:
    """What requests on a login are made with: the access token, and further headers.

    `expires_at` is None if the login does not say.
    """

    value: str = attrs.field(repr=False)
    expires_at: datetime | None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)


class Logins(Protocol):
    """The logins of all accounts."""

    async def token(self, provider: str, account_id: str, *, refused: str = "") -> Token:
        """Returns the account's access token, refreshed if it expires soon.

        `refused` is a token that the provider did not take: another one is returned, unless it was
        refreshed just now. AgentFailed with the cause auth_failed if the login is over, or
        overloaded if the vendor cannot be asked now; NotFound if there is no credential.
        """


class Refresher(Protocol):
    """Reads the logins of the vendors, and refreshes each in its vendor's way."""

    def token(self, provider: str, login: bytes) -> Token:
        """Returns the token in a login; AgentFailed (auth_failed) if it cannot be read."""

    async def refresh(self, provider: str, login: bytes) -> bytes:
        """Returns the login with new tokens; the old ones are spent by then.

        AgentFailed: auth_failed if the vendor refuses, overloaded if it cannot be asked. Takes a
        bounded time; error messages hold no secret.
        """
