"""A health that is as good as the test says."""

import attrs

from codara.events.store.follower import FollowerStanding


@attrs.define
class FakeHealth:
    wrong: list[str] = attrs.field(factory=list)
    lacking: list[str] = attrs.field(factory=list)
    under_way: list[str] = attrs.field(factory=list)

    def reasons(self) -> list[str]:
        return self.wrong

    async def warnings(self) -> list[str]:
        return self.lacking

    def progress(self) -> list[str]:
        return self.under_way

    def degraded_by(self) -> list[str]:
        return []

    def standings(self) -> list[FollowerStanding]:
        return []
