"""Requests that wait for their place, as their users and operators see them."""

from typing import Any

from aiohttp import web

from codara.application.turns.waiting import Waiter
from codara.errors import InvalidRequest
from codara.http.auth import caller_of, operator_of
from codara.http.envelope import ok
from codara.http.services import SERVICES

routes = web.RouteTableDef()

_OUTCOMES = ("waiting",)


@routes.get("/v1/user/requests")
async def list_own(request: web.Request) -> web.Response:
    """The user's own requests that wait."""
    caller = await caller_of(request)
    return _listed(request, caller.user_id)


@routes.get("/management/v1/requests")
async def list_all(request: web.Request) -> web.Response:
    """All requests that wait, in the order in which they came."""
    await operator_of(request)
    return _listed(request, None)


def _listed(request: web.Request, user_id: str | None) -> web.Response:
    outcome = request.query.get("outcome")
    if outcome not in _OUTCOMES:
        raise InvalidRequest(f"outcome must be one of: {', '.join(_OUTCOMES)}.", param="outcome")
    waiting = request.app[SERVICES].turns.waiting()
    shown = [_item(each) for each in waiting if user_id in (None, each.wanted.user_id)]
    return ok(request, shown)


def _item(waiter: Waiter) -> dict[str, Any]:
    return {
        "request_id": waiter.wanted.request_id,
        "outcome": "waiting",
        "user_id": waiter.wanted.user_id,
        "workspace_id": waiter.wanted.workspace_id,
        "waits_for": waiter.lack.what,
        "behind": waiter.lack.behind,
        "since": waiter.since,
        "position": waiter.position,
    }
