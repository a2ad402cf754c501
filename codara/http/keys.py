"""How an API key is shown: once with its secret, ever after without."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from codara.application.keys import IssuedKey
from codara.http.envelope import ok
from codara.http.services import SERVICES
from codara.projections.queries import Page


def shown_once(key: IssuedKey) -> dict[str, Any]:
    """A fresh key with its secret."""
    return {
        "key_id": key.key_id,
        "raw_key": key.raw_key,
        "label": key.label,
        "expires_at": key.expires_at,
    }


def unstored(response: web.Response) -> web.Response:
    """The answer holds a secret: nothing on the way may keep it."""
    response.headers["Cache-Control"] = "no-store"
    return response


def all_keys(request: web.Request, user: Mapping[str, Any]) -> web.Response:
    """Every key the user ever had, newest first, in one page."""
    page = Page(items=list(user["api_keys"]), cursor=None, has_more=False)
    position = request.app[SERVICES].views.position()
    return ok(request, page.items, position=position, page=page)


def active_ids(user: Mapping[str, Any]) -> list[str]:
    """The keys that open something at present."""
    return [key["key_id"] for key in user["api_keys"] if key["status"] == "active"]
