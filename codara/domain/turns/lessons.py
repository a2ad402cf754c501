"""Lessons: what a turn found out about the account that it ran on."""

from datetime import datetime

from codara.domain import account
from codara.domain.decisions import Facts, States
from codara.domain.lending import AccountChange
from codara.events import streams
from codara.events.account import QuotaObserved, QuotaWindow


def learnt(
    states: States,
    account_id: str | None,
    *,
    health: AccountChange | None,
    quota: tuple[QuotaWindow, ...],
    source: str,
    now: datetime,
) -> Facts:
    """Records the account's health and quota, by stream; empty if the turn found out nothing."""
    facts: Facts = {}
    if account_id and health:
        stream = streams.account(account_id)
        facts[stream] = account.change(
            states[stream],
            after=health.after,
            cause=health.cause,
            until=health.until,
            evidence=health.evidence,
            now=now,
        )
    if account_id and quota:
        seen = QuotaObserved(account_id=account_id, source=source, windows=quota)
        facts[streams.quota(account_id)] = [seen]
    return facts
