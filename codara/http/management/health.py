"""How the gateway is, for operators."""

import attrs

from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import Nothing

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class HealthShown:
    """Tells how the gateway is: `ok`, or `degraded` with the reasons while turns cannot run."""

    status: str
    reasons: list[str]
    read_models_position: int


@routes.get("/health", query=Nothing, answer=HealthShown)
async def show_health(asked: Asked[Operator, Nothing, Nothing]) -> Answer[HealthShown]:
    """Tells how the gateway is."""
    reasons = asked.services.health.reasons()
    position = asked.services.views.position()
    data = HealthShown(
        status="degraded" if reasons else "ok", reasons=reasons, read_models_position=position
    )
    return Answer(data=data, position=position)
