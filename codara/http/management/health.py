"""How the gateway is, for operators."""

import attrs

from codara.events.store.follower import FollowerStanding
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import Nothing

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class FollowerShown:
    """Tells how one follower of the log does: up to where it has come, and what holds it up.

    `lag_seconds` is for how long events have been waiting for it, 0 when none are; `trouble` is
    null while all is well.
    """

    name: str
    position: int
    lag_seconds: float
    trouble: str | None

    @classmethod
    def of(cls, standing: FollowerStanding) -> "FollowerShown":
        """Shows a standing, its lag to a millisecond."""
        return cls(
            name=standing.name,
            position=standing.position,
            lag_seconds=round(standing.lag_seconds, 3),
            trouble=standing.trouble,
        )


@attrs.frozen(kw_only=True)
class HealthShown:
    """Tells how the gateway is: `ok`, or `degraded` with the reasons.

    It is degraded while the gateway cannot do its work, while a provider lacks its program or an
    account to lend, and while a follower that reaches outside is in trouble.
    """

    status: str
    reasons: list[str]
    read_models_position: int
    followers: list[FollowerShown]


@routes.get("/health", query=Nothing, answer=HealthShown)
async def show_health(asked: Asked[Operator, Nothing, Nothing]) -> Answer[HealthShown]:
    """Tells how the gateway is, and how far each follower of the log has come."""
    health = asked.services.health
    reasons = [*health.reasons(), *await health.warnings(), *health.degraded_by()]
    position = asked.services.views.position()
    data = HealthShown(
        status="degraded" if reasons else "ok",
        reasons=reasons,
        read_models_position=position,
        followers=[FollowerShown.of(each) for each in health.standings()],
    )
    return Answer(data=data, position=position)
