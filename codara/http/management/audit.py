"""The audit trail: who did what to what, newest first."""

from datetime import datetime

import attrs

from codara.http.answers import listing
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import ListQuery, Nothing
from codara.projections.audit import TARGETS, AuditRow

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class AuditQuery(ListQuery):
    """Asks for what was done; an action that nobody ever did gives an empty list."""

    actor: str | None = None
    action: str | None = None
    target_type: str | None = attrs.field(default=None, metadata={"choices": TARGETS})
    target_id: str | None = None
    user_id: str | None = None
    correlation_id: str | None = None
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@routes.get("/audit", query=AuditQuery, answer=list[AuditRow])
async def list_audit(asked: Asked[Operator, AuditQuery, Nothing]) -> Answer[list[AuditRow]]:
    """Lists what was done, newest first."""
    return await listing(asked, asked.services.views.audit)
