"""Requests that wait for their place, as their users and operators see them."""

from datetime import datetime

import attrs

from codara.application.callers import Caller
from codara.application.turns.waiting import Waiter
from codara.errors import InvalidRequest
from codara.http.envelope import Answer
from codara.http.planes import CALLER, OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.services import Services
from codara.http.shapes import Nothing

user_routes = Routes(CALLER, "/v1/user")
routes = Routes(OPERATOR, "/management/v1")

_OUTCOMES = ("waiting",)


@attrs.frozen(kw_only=True)
class RequestsQuery:
    """Asks for requests with an outcome; `waiting` is the only one that is kept."""

    outcome: str | None = None


@attrs.frozen(kw_only=True)
class WaitingRequest:
    """A request that waits: for what, behind which task, since when, and its place in the line."""

    request_id: str
    outcome: str
    user_id: str
    workspace_id: str | None
    waits_for: str
    behind: str | None
    since: datetime
    position: int

    @classmethod
    def of(cls, waiter: Waiter) -> "WaitingRequest":
        """Returns what is shown of a request in the line."""
        return cls(
            request_id=waiter.wanted.request_id,
            outcome="waiting",
            user_id=waiter.wanted.user_id,
            workspace_id=waiter.wanted.workspace_id,
            waits_for=waiter.lack.what,
            behind=waiter.lack.behind,
            since=waiter.since,
            position=waiter.position,
        )


@user_routes.get("/requests", query=RequestsQuery, answer=list[WaitingRequest])
async def list_own(
    asked: Asked[Caller, RequestsQuery, Nothing],
) -> Answer[list[WaitingRequest]]:
    """Lists the user's own requests that wait."""
    return _listed(asked.services, asked.query, asked.caller.user_id)


@routes.get("/requests", query=RequestsQuery, answer=list[WaitingRequest])
async def list_all(
    asked: Asked[Operator, RequestsQuery, Nothing],
) -> Answer[list[WaitingRequest]]:
    """Lists all requests that wait, in the order in which they came."""
    return _listed(asked.services, asked.query, None)


def _listed(
    services: Services, query: RequestsQuery, user_id: str | None
) -> Answer[list[WaitingRequest]]:
    if query.outcome not in _OUTCOMES:
        raise InvalidRequest(f"outcome must be one of: {', '.join(_OUTCOMES)}.", param="outcome")
    waiting = services.turns.waiting()
    shown = [WaitingRequest.of(each) for each in waiting if user_id in (None, each.wanted.user_id)]
    return Answer(data=shown)
