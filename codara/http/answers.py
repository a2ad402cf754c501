"""Answers to users and operators: they wait, up to a second, for the read models."""

from collections.abc import Mapping
from typing import Any

from codara.errors import NotFound
from codara.http.encoding import shown
from codara.http.envelope import Answer
from codara.http.routing import Asked
from codara.http.services import Items, View
from codara.http.shapes import ItemQuery, ListQuery

_SECONDS_TO_CATCH_UP = 1.0


async def listing(asked: Asked[Any, Any, Any], view: View, **fixed: Any) -> Answer[Any]:
    """Answers a page of `view`, newest first, by the query's filters and those in `fixed`."""
    query: ListQuery = asked.query
    stale = not await up_to_date(asked)
    page = await view.list(limit=query.limit, cursor=query.cursor, **(query.filters() | fixed))
    position = asked.services.views.position()
    return Answer(data=page.items, position=position, stale=stale, page=page)


async def one(
    asked: Asked[Any, Any, Any], view: Items, item_id: str, *, user_id: str | None = None
) -> Answer[Any]:
    """Answers one item; NotFound if it does not exist, or does not belong to `user_id`."""
    stale = not await up_to_date(asked)
    item = await _item(view, item_id, user_id)
    return Answer(data=item, position=asked.services.views.position(), stale=stale)


async def found(asked: Asked[Any, Any, Any], view: Items, item_id: str) -> Any:
    """Returns the item from which an answer is made; NotFound if it does not exist."""
    await up_to_date(asked)
    return await _item(view, item_id)


async def up_to_date(asked: Asked[Any, Any, Any]) -> bool:
    """Waits until the read models have folded what the log holds now, and `min_position`.

    False if they have not within a second: the answer is stale then.
    """
    wanted = asked.query.min_position if isinstance(asked.query, ItemQuery) else 0
    views = asked.services.views
    return await views.wait_for(max(wanted, views.head()), _SECONDS_TO_CATCH_UP)


async def done(
    asked: Asked[Any, Any, Any],
    position: int | None,
    *,
    view: Items | None = None,
    item_id: str = "",
    also: Mapping[str, Any] | None = None,
    data: Any = None,
    secret: bool = False,
) -> Answer[Any]:
    """Answers a command once the read models have folded `position`; else it says `stale`.

    The answer's data is `data`, or else `view`'s item with the fields of `also` put over it.
    """
    views = asked.services.views
    stale = position is not None and not await views.wait_for(position, _SECONDS_TO_CATCH_UP)
    if view is not None:
        item = await view.get(item_id)
        data = {**(shown(item) if item else {}), **(also or {})}
    return Answer(data=data, position=position, stale=stale, secret=secret)


async def _item(view: Items, item_id: str, user_id: str | None = None) -> Any:
    item = await view.get(item_id)
    if item is None or (user_id is not None and getattr(item, "user_id", None) != user_id):
        raise NotFound(f"There is no {item_id} here.")
    return item
