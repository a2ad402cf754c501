"""A sweeper of the jails that a gateway left behind."""

from collections.abc import Sequence

import attrs

from codara.projections.unfinished import LeftJailRow


@attrs.define
class FakeSweeper:
    """Notes what it was asked to end."""

    swept: list[str] = attrs.field(factory=list)

    async def sweep(self, jails: Sequence[LeftJailRow]) -> Sequence[str]:
        self.swept += [jail.jail_id for jail in jails]
        return self.swept
