"""Accounts: registered, looked after, removed; their credentials stay in the vault."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

import attrs

from codara.application.deciding import Deciding, States
from codara.application.ports.secrets import Vault
from codara.application.ports.views import AccountStandings
from codara.clock import Clock
from codara.domain import account, credential, login, name, quota, text
from codara.domain.decisions import Facts
from codara.errors import Conflict, InvalidRequest, NotFound
from codara.events import streams
from codara.events.base import Cause, Event
from codara.ids import NewId
from codara.runtimes import PROVIDERS

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
    pool: AccountStandings
    clock: Clock
    new_id: NewId
    cooldown_seconds: float = 60.0
    _turnstile: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    """Credentials are changed one after the other: vault and log together."""

    async def register(self, new: NewAccount, cause: Cause) -> int | None:
        """Keeps the credential and registers the account; a known id gets a new credential.

        A broken account is tried again. A login that is handed in a second time changes no token
        once its tokens have been refreshed. A call that was interrupted is completed by repeating
        it. InvalidRequest if a value is not allowed; Conflict if the id belongs to another
        provider's account, or the credential to another account.
        """
        account_id = text.account_id(new.account_id)
        label = text.one_line(new.label, param="label") or account_id
        secret = credential.check(new.provider, new.auth_type, new.credential)
        auth_type = credential.checked_auth_type(new.auth_type)
        sameness = self._sameness(new.provider, new.auth_type, secret)
        stream, now = streams.account(account_id), self.clock()
        async with self._turnstile:
            known: account.Account = await self.deciding.state(stream)
            account.check_provider(known, account_id=account_id, provider=new.provider)
            await self._check_alone(account_id, sameness)
            fingerprint = await self._store(known, account_id, secret)
            return await self._decide_with_name(
                known,
                account_id,
                sameness,
                partial(
                    account.register,
                    account_id=account_id,
                    provider=new.provider,
                    auth_type=auth_type,
                    label=label,
                    fingerprint=fingerprint,
                    sameness=sameness,
                    now=now,
                ),
                cause,
            )

    def _sameness(self, provider: str, auth_type: str, checked: bytes) -> str:
        return self.vault.fingerprint(credential.sameness(provider, auth_type, checked))

    async def _check_alone(self, account_id: str, sameness: str) -> None:
        """Raises Conflict if another account has this credential.

        Accounts from before they claimed their credentials are looked at one by one; one that was
        registered twice then may be handed in again.
        """
        claimed: name.Name = await self.deciding.state(_name_of(sameness))
        _claim(claimed, account_id)
        if await self._sameness_of(account_id) == sameness:
            return
        for provider in PROVIDERS:
            for other in await self.pool.of_provider(provider):
                if await self._sameness_of(other.account_id) == sameness:
                    raise Conflict(_taken(other.account_id))

    async def _sameness_of(self, account_id: str) -> str | None:
        """Returns what the account recorded, or what its credential is the same as; else None."""
        known: account.Account = await self.deciding.state(streams.account(account_id))
        if not known.exists or known.sameness:
            return known.sameness or None
        if known.auth_type == credential.API_KEY:
            return known.fingerprint
        try:
            secret = await self.vault.credential(account_id)
        except NotFound:
            return None
        return self._sameness(known.provider, known.auth_type, secret)

    async def _decide_with_name(
        self,
        known: account.Account,
        account_id: str,
        sameness: str | None,
        decision: Callable[[account.Account], list[Event]],
        cause: Cause,
    ) -> int | None:
        """Appends what is decided, with the claim of `sameness` and the end of the claim before."""
        stream = streams.account(account_id)
        wanted = None if sameness is None else _name_of(sameness)
        left = _name_of(known.sameness) if known.sameness not in ("", sameness) else None

        def decide(states: States) -> dict[str, list[Event]]:
            events: dict[str, list[Event]] = {}
            if wanted is not None:
                events[wanted] = _claim(states[wanted], account_id)
            if left is not None:
                events[left] = name.free(states[left], owner=account_id)
            return events | {stream: decision(states[stream])}

        touched = [each for each in (wanted, left, stream) if each is not None]
        return (await self.deciding.decide(touched, decide, cause)).position

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
        async with self._turnstile:
            known: account.Account = await self.deciding.state(streams.account(account_id))
            removal = partial(account.remove, account_id=account_id)
            try:
                position = await self._decide_with_name(known, account_id, None, removal, cause)
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
        """Makes the account ready again, whatever was wrong with it; full windows are forgotten.

        NotFound if it is not registered.
        """
        own, reported, now = streams.account(account_id), streams.quota(account_id), self.clock()

        def decision(states: States) -> Facts:
            is_full = states[reported].is_full(now)
            recovered = account.recover(
                states[own], account_id=account_id, now=now, is_full=is_full
            )
            return {own: recovered, reported: quota.forget(account_id) if is_full else []}

        decided = await self.deciding.decide([own, reported], decision, cause)
        return decided.position


def _name_of(sameness: str) -> str:
    return streams.name(f"credential-{sameness}")


def _claim(state: name.Name, account_id: str) -> list[Event]:
    return name.claim(state, kind="credential", owner=account_id, taken=_taken(state.owner))


def _taken(owner: str | None) -> str:
    return (
        f"Account {owner} has this credential already: its quota would count twice. Use that "
        "account, remove it first, or hand in another credential; each agent needs one of its own."
    )
