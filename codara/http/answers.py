"""Answers of the user's and the operator's plane: they wait, within bounds, for the read models."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from codara.errors import NotFound
from codara.http.decoding import Fields
from codara.http.envelope import ok
from codara.http.services import SERVICES, Items, View

_SECONDS_TO_CATCH_UP = 1.0
_MOST = 200
_LAST_POSITION = 10**18
_TIMES = ("since", "until")


async def listing(
    request: web.Request, view: View, filters: Sequence[str] = (), **fixed: Any
) -> web.Response:
    """A page of `view`, newest first.

    The query may hold `limit`, `cursor`, `min_position` and the named `filters`; `fixed` filters
    are ours. InvalidRequest names what is wrong.
    """
    query = Fields(request.query)
    limit = query.counted("limit", default=50, least=1, most=_MOST)
    chosen = {name: _filter(query, name) for name in filters}
    given = {name: value for name, value in chosen.items() if value is not None}
    stale = not await up_to_date(request)
    page = await view.list(limit=limit, cursor=query.maybe_text("cursor"), **(given | fixed))
    position = request.app[SERVICES].views.position()
    return ok(request, list(page.items), position=position, stale=stale, page=page)


async def one(
    request: web.Request, view: Items, item_id: str, *, user_id: str | None = None
) -> web.Response:
    """One thing; NotFound if there is none, or if it is not of `user_id`."""
    stale = not await up_to_date(request)
    item = await _item(view, item_id, user_id)
    return ok(request, item, position=request.app[SERVICES].views.position(), stale=stale)


async def found(request: web.Request, view: Items, item_id: str) -> Mapping[str, Any]:
    """The item as an answer is made of it; NotFound if there is none."""
    await up_to_date(request)
    return await _item(view, item_id)


async def up_to_date(request: web.Request) -> bool:
    """Waits until the read models have folded all that the log holds now, and `min_position`.

    False if they have not within a second: what they say is stale.
    """
    position = Fields(request.query).counted(
        "min_position", default=0, least=0, most=_LAST_POSITION
    )
    views = request.app[SERVICES].views
    return await views.wait_for(max(position, views.head()), _SECONDS_TO_CATCH_UP)


async def _item(view: Items, item_id: str, user_id: str | None = None) -> Mapping[str, Any]:
    item = await view.get(item_id)
    if item is None or (user_id is not None and item.get("user_id") != user_id):
        raise NotFound(f"There is no {item_id} here.")
    return item


async def done(
    request: web.Request,
    position: int | None,
    *,
    view: Items | None = None,
    item_id: str = "",
    also: Mapping[str, Any] | None = None,
    status: int = 200,
) -> web.Response:
    """Answers a command once the read models have reached `position`, or says `stale`.

    The data is `view`'s item, if one is named, with the fields of `also` over it.
    """
    views = request.app[SERVICES].views
    stale = position is not None and not await views.wait_for(position, _SECONDS_TO_CATCH_UP)
    item = None if view is None else await view.get(item_id)
    data = {**(item or {}), **(also or {})}
    return ok(request, data, position=position, stale=stale, status=status)


def _filter(query: Fields, name: str) -> Any:
    return query.maybe_moment(name) if name in _TIMES else query.maybe_text(name) or None
