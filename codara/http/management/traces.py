"""Traces: what turns did when, by the trace of the requests that began them."""

from codara.http.answers import one
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import ItemQuery, Nothing
from codara.projections.traces import TraceRow

routes = Routes(OPERATOR, "/management/v1")


@routes.get("/traces/{trace_id}", query=ItemQuery, answer=TraceRow)
async def show_trace(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[TraceRow]:
    """Shows the spans of every turn of one trace."""
    return await one(asked, asked.services.views.traces, asked.path["trace_id"])
