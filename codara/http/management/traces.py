"""Traces: what turns did when, by the trace of the requests that began them."""

from aiohttp import web

from codara.http.answers import one
from codara.http.auth import operator_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/management/v1/traces/{trace_id}")
async def show_trace(request: web.Request) -> web.Response:
    """The spans of every turn of one trace."""
    await operator_of(request)
    return await one(request, request.app[SERVICES].views.traces, request.match_info["trace_id"])
