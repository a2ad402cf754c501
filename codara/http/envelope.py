"""The envelope of answers to users and operators: `{ok, data, meta}`."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import attrs
import orjson
from aiohttp import web

from codara.http.encoding import shown
from codara.http.requests import Identity, identity_of
from codara.http.services import SERVICES
from codara.projections.engine.queries import Page

A = TypeVar("A")


@attrs.frozen(kw_only=True)
class Answer(Generic[A]):
    """What a handler answers.

    `position` is the log position that `data` is up to date with. `stale`: the read models had not
    reached it in time. `page` adds a listing's cursor. `secret` keeps the answer out of caches.
    """

    data: A
    position: int | None = None
    stale: bool = False
    page: Page[Any] | None = None
    secret: bool = False


def envelope(answer: Answer[Any], identity: Identity, now: datetime) -> dict[str, Any]:
    """Returns the JSON value `{ok, data, meta}` for an answer to the request `identity`."""
    meta: dict[str, Any] = {
        "request_id": identity.request_id,
        "trace_id": identity.trace_id,
        "timestamp": now,
        "position": answer.position,
        "stale": answer.stale,
    }
    if answer.page is not None:
        meta["page"] = {"cursor": answer.page.cursor, "has_more": answer.page.has_more}
    return {"ok": True, "data": shown(answer.data), "meta": meta}


def enveloped(request: web.Request, answer: Answer[Any], status: int) -> web.Response:
    """Makes the HTTP response that carries an answer."""
    now = request.app[SERVICES].clock()
    body = orjson.dumps(envelope(answer, identity_of(request), now))
    response = web.Response(body=body, status=status, content_type="application/json")
    if answer.secret:
        response.headers["Cache-Control"] = "no-store"
    return response
