"""Logins: accounts whose credential is a CLI's own login, whose tokens wear out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class Token:
    """What requests on a login are made with: the access token, and headers besides it.

    `expires_at` is None where the login does not tell.
    """

    value: str = attrs.field(repr=False)
    expires_at: datetime | None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)


class Logins(Protocol):
    """The logins of the pool."""

    async def token(self, provider: str, account_id: str, *, refused: str = "") -> Token:
        """The account's access token, refreshed if it is about to expire.

        `refused` is one that the provider did not take: another one is given, unless it was
        refreshed just now. AgentFailed with the cause auth_failed if the login is over, overloaded
        if that cannot be known now; NotFound if there is no credential.
        """


class Refresher(Protocol):
    """What the vendors' logins look like, and how each is refreshed."""

    def token(self, provider: str, login: bytes) -> Token:
        """What a login holds; AgentFailed (auth_failed) if it cannot be read."""

    async def refresh(self, provider: str, login: bytes) -> bytes:
        """The login with new tokens; the tokens it had are spent by then.

        AgentFailed: auth_failed if the vendor refuses, overloaded if it cannot be asked. Takes a
        bounded time; messages hold no secret.
        """
