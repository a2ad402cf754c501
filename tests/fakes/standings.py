"""The accounts that turns choose from."""

from collections.abc import Sequence
from typing import Any

import attrs

from codara.errors import CodaraError
from codara.projections.standings import Standing
from tests import event_examples


@attrs.define
class FakeStandings:
    """The accounts of every provider."""

    accounts: list[Standing] = attrs.field(factory=list)
    broken: bool = False
    """It fails the next time it is asked, and that time only."""

    async def of_provider(self, provider: str) -> Sequence[Standing]:
        if self.broken:
            self.broken = False
            raise CodaraError("the read model is away")
        return [each for each in self.accounts if each.provider == provider]


def standing(account_id: str = event_examples.ACCOUNT, **changes: Any) -> Standing:
    """A ready codex account."""
    ready = Standing(
        account_id=account_id,
        provider="codex",
        status="ready",
        until=None,
        headroom=None,
        last_used_at=None,
        primary=False,
    )
    return attrs.evolve(ready, **changes)
