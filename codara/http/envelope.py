"""The envelope of the user's and the operator's plane: `{ok, data, meta}`."""

from typing import Any

import orjson
from aiohttp import web

from codara.http.requests import identity_of
from codara.http.services import SERVICES, Page


def ok(
    request: web.Request,
    data: Any,
    *,
    position: int | None = None,
    stale: bool = False,
    page: Page | None = None,
    status: int = 200,
) -> web.Response:
    """An answer that worked.

    `position` is the log position it stands for, `stale` says the read models had not reached it
    in time, `page` adds a listing's cursor.
    """
    identity = identity_of(request)
    meta: dict[str, Any] = {
        "request_id": identity.request_id,
        "trace_id": identity.trace_id,
        "timestamp": request.app[SERVICES].clock(),
        "position": position,
        "stale": stale,
    }
    if page is not None:
        meta["page"] = {"cursor": page.cursor, "has_more": page.has_more}
    body = orjson.dumps({"ok": True, "data": data, "meta": meta})
    return web.Response(body=body, status=status, content_type="application/json")
