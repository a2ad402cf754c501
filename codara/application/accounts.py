"""Accounts: registered, looked after, removed; their credentials stay in the vault."""

from datetime import timedelta
from functools import partial
from typing import Final

import attrs

from codara.application.deciding import Deciding
from codara.application.ports.secrets import Vault
from codara.clock import Clock
from codara.domain import account, credential, login, text
from codara.errors import InvalidRequest, NotFound
from codara.events import streams
from codara.events.base import Cause
from codara.ids import NewId

_LONGEST_COOLDOWN: Final = timedelta(days=30).total_seconds()


@attrs.frozen(kw_only=True)
class NewAccount:
    """An account to register, or a new credential of one that is registered."""

    account_id: str
    provider: str
    auth_type: str
    label: str
    credential: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Accounts:
    """Commands on accounts. Each returns the log position of what it appended, None for nothing.

    `cooldown_seconds` is how long an operator's cooldown lasts if the operator names no time.
    """

    deciding: Deciding
    vault: Vault
    clock: Clock
    new_id: NewId
    cooldown_seconds: float = 60.0

    async def register(self, new: NewAccount, cause: Cause) -> int | None:
        """Keeps the credential and registers the account; a known id gets a new credential.

        A login that is handed in a second time changes nothing once its tokens have been refreshed.
        A call that was interrupted is completed by repeating it. InvalidRequest if a value is not
        allowed; Conflict if the id belongs to another provider's account.
        """
        account_id = text.account_id(new.account_id)
        label = text.one_line(new.label, param="label") or account_id
        secret = credential.check(new.provider, new.auth_type, new.credential)
        auth_type = credential.checked_auth_type(new.auth_type)
        stream = streams.account(account_id)
        known: account.Account = await self.deciding.state(stream)
        account.check_provider(known, account_id=account_id, provider=new.provider)
        fingerprint = await self._store(known, account_id, secret)
        now = self.clock()
        return await self.deciding.decide_on(
            stream,
            partial(
                account.register,
                account_id=account_id,
                provider=new.provider,
                auth_type=auth_type,
                label=label,
                fingerprint=fingerprint,
                now=now,
            ),
            cause,
        )

    async def _store(self, known: account.Account, account_id: str, secret: bytes) -> str:
        """Keeps the credential, unless the vault's was made from it; returns its fingerprint."""
        fingerprint = self.vault.fingerprint(secret)
        refreshed: login.Refreshed = await self.deciding.state(streams.token(account_id))
        if login.descends(refreshed, known, handed_in=fingerprint):
            return fingerprint
        return await self.vault.store(account_id, secret)

    async def remove(self, account_id: str, cause: Cause) -> int | None:
        """Removes the account: no turn borrows it again, and the vault forgets its credential.

        NotFound if it is not registered; the vault then forgets what an interrupted call left
        there.
        """
        stream = streams.account(account_id)
        try:
            position = await self.deciding.decide_on(
                stream, partial(account.remove, account_id=account_id), cause
            )
        except NotFound:
            await self.vault.remove(account_id)
            raise
        await self.vault.remove(account_id)
        return position

    async def cooldown(
        self, account_id: str, cause: Cause, *, seconds: float | None = None
    ) -> int | None:
        """Keeps the account from turns for `seconds` (default `cooldown_seconds`, at most 30 days).

        InvalidRequest if `seconds` is out of range; NotFound if the account is not registered.
        """
        wait = self.cooldown_seconds if seconds is None else seconds
        if not 0 < wait <= _LONGEST_COOLDOWN:
            raise InvalidRequest("seconds is more than 0 and at most 30 days.", param="seconds")
        stream, now = streams.account(account_id), self.clock()
        return await self.deciding.decide_on(
            stream,
            partial(
                account.cool_down,
                account_id=account_id,
                until=now + timedelta(seconds=wait),
                now=now,
            ),
            cause,
        )

    async def recover(self, account_id: str, cause: Cause) -> int | None:
        """Makes the account ready again, whatever was wrong with it.

        NotFound if it is not registered.
        """
        stream, now = streams.account(account_id), self.clock()
        return await self.deciding.decide_on(
            stream, partial(account.recover, account_id=account_id, now=now), cause
        )
