"""Refreshing: the gateway alone renews the tokens of logins, once for all turns that wait."""

import asyncio
import logging

import attrs

from codara.application.deciding import Deciding, States
from codara.application.ports.logins import Refresher, Token
from codara.application.ports.secrets import Vault
from codara.clock import Clock
from codara.domain import login
from codara.errors import AgentFailed, CodaraError, VersionClash
from codara.events import streams
from codara.events.base import Cause, Event

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0
"""A vendor that could not be asked is left alone for this long, for each account (seconds)."""
FRESH_SECONDS = 60.0
"""A token younger than this (seconds) is not refreshed because it was refused.

Agents choose what they ask for, and could otherwise cause a refresh with every request.
"""


@attrs.define(kw_only=True)
class KeptLogins:
    """Keeps the tokens of logins fresh; satisfies `ports.Logins`. Its owner calls `close`.

    New tokens are in the vault before anyone uses them. A refresh that has begun is completed even
    if nobody waits for it any more: otherwise the tokens that it spends would be lost.
    """

    deciding: Deciding
    vault: Vault
    refresher: Refresher
    clock: Clock
    cause: Cause
    _running: dict[str, "asyncio.Task[Token]"] = attrs.field(factory=dict, init=False)
    _fresh: dict[str, float] = attrs.field(factory=dict, init=False)
    _troubles: dict[str, tuple[float, str]] = attrs.field(factory=dict, init=False)

    async def token(self, provider: str, account_id: str, *, refused: str = "") -> Token:
        """See `ports.Logins.token`."""
        running = self._running.get(account_id)
        if running is None:
            held = await self._held(provider, account_id)
            if not self._is_worn(account_id, held, refused):
                return held
            running = self._running.get(account_id) or self._begin(provider, account_id, refused)
        return await asyncio.shield(running)

    async def close(self) -> None:
        """Waits for the refreshes that have begun; each takes a bounded time."""
        if self._running:
            await asyncio.wait(self._running.values())

    def _is_worn(self, account_id: str, held: Token, refused: str) -> bool:
        if login.is_due(held.expires_at, self.clock()):
            return True
        since = asyncio.get_running_loop().time() - FRESH_SECONDS
        return held.value == refused and self._fresh.get(account_id, since) <= since

    async def _held(self, provider: str, account_id: str) -> Token:
        return self.refresher.token(provider, await self.vault.credential(account_id))

    def _begin(self, provider: str, account_id: str, refused: str) -> "asyncio.Task[Token]":
        work = self._refreshed(provider, account_id, refused)
        task = asyncio.create_task(work, name=f"refresh of {account_id}")
        self._running[account_id] = task
        task.add_done_callback(lambda done: self._over(account_id, done))
        return task

    def _over(self, account_id: str, task: "asyncio.Task[Token]") -> None:
        del self._running[account_id]
        if not task.cancelled():
            task.exception()  # whoever waited was told; if nobody did, there is nobody to tell

    async def _refreshed(self, provider: str, account_id: str, refused: str) -> Token:
        before = await self.vault.credential(account_id)
        held = self.refresher.token(provider, before)
        if not self._is_worn(account_id, held, refused):
            return held
        try:
            after = await self._ask(provider, account_id, before)
        except AgentFailed as failed:
            usable = held.value != refused and login.lasts(held.expires_at, self.clock())
            if failed.cause == "overloaded" and usable:
                return held
            raise
        if await self.vault.credential(account_id) != before:
            return await self._held(provider, account_id)
        fingerprint = await self.vault.store(account_id, after)
        self._fresh[account_id] = asyncio.get_running_loop().time()
        token = self.refresher.token(provider, after)
        await self._say(account_id, fingerprint, token)
        return token

    async def _ask(self, provider: str, account_id: str, before: bytes) -> bytes:
        now = asyncio.get_running_loop().time()
        until, trouble = self._troubles.pop(account_id, (now, ""))
        if now < until:
            self._troubles[account_id] = until, trouble
            raise AgentFailed(trouble, cause="overloaded")
        try:
            return await self.refresher.refresh(provider, before)
        except AgentFailed as failed:
            message = f"account {account_id}: {failed.message}"
            if failed.cause == "overloaded":
                self._troubles[account_id] = now + PAUSE_SECONDS, message
            raise AgentFailed(message, cause=failed.cause) from failed

    async def _say(self, account_id: str, fingerprint: str, token: Token) -> None:
        """Appends the fact; if the log takes no writes, the tokens are used all the same."""
        account, own = streams.account(account_id), streams.token(account_id)

        def decision(states: States) -> dict[str, list[Event]]:
            refreshed = login.refresh(
                states[account], fingerprint=fingerprint, expires_at=token.expires_at
            )
            return {own: refreshed}

        try:
            await self.deciding.decide([account, own], decision, self.cause)
        except (CodaraError, VersionClash) as error:
            logger.warning("the refresh of account %s is not in the log: %s", account_id, error)
