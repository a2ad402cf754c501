"""How read models are asked: an aiosqlite connection of their own, pages newest first."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import aiosqlite
import attrs

from codara.errors import InvalidRequest, NotFound
from codara.events.base import Event, PayloadRef, Sealed
from codara.projections.engine.base import ReadableLog, Value, moment_or_none

MOST = 200

Row = dict[str, Any]
"""What SQL answers, by column name; a read model makes a frozen class of it before it answers."""
Condition = tuple[str, Sequence[Value]]

T = TypeVar("T")
U = TypeVar("U")


@attrs.frozen
class Page(Generic[T]):
    """Part of a listing, newest first; `cursor` asks for what comes next, if there is more."""

    items: Sequence[T]
    cursor: str | None
    has_more: bool

    def of(self, make: Callable[[T], U]) -> "Page[U]":
        """Makes the same page of what `make` makes of each item."""
        return Page([make(item) for item in self.items], self.cursor, self.has_more)


class Reader:
    """The asking end of a read model's file: it never writes and never waits for the writer."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self.generation = 0
        """How often it has turned to another file."""

    @classmethod
    async def open(cls, path: Path) -> "Reader":
        return cls(await _connect(path))

    async def turn_to(self, path: Path) -> None:
        """Asks another generation from now on; questions under way are answered by the old one."""
        before, self._db = self._db, await _connect(path)
        self.generation += 1
        await before.close()

    async def rows(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Reads all rows of a query, by column name."""
        return [dict(row) for row in await self._db.execute_fetchall(sql, parameters)]

    async def row(self, sql: str, parameters: Sequence[Value] = ()) -> Row | None:
        """Reads the first row, if there is one."""
        found = await self.rows(sql, parameters)
        return found[0] if found else None

    async def page(
        self,
        select: str,
        conditions: Sequence[Condition],
        *,
        key: str,
        limit: int,
        cursor: str | None,
        given: Sequence[Value] = (),
    ) -> Page[Row]:
        """Reads one page of `select`, ordered by the integer column `key`, which no two rows share.

        `given` are the values of `?1` and so on in `select`.

        The column says when a thing came into being, so that rows that change while somebody
        pages through them neither vanish nor show twice. InvalidRequest for a strange cursor.
        """
        size = _size(limit)
        chosen = [*conditions, *_behind(key, cursor)]
        where = " AND ".join(f"({sql})" for sql, _ in chosen) or "1"
        parameters = [*given, *(value for _, values in chosen for value in values)]
        sql = f"SELECT {key} AS page_key, {select} WHERE {where} ORDER BY {key} DESC"
        found = await self.rows(f"{sql} LIMIT {size + 1}", parameters)
        keys = [row.pop("page_key") for row in found]
        more = len(found) > size
        return Page(found[:size], _cursor(keys[size - 1]) if more else None, more)

    async def close(self) -> None:
        await self._db.close()


def equal(**filters: Value) -> list[Condition]:
    """Makes one condition for every filter that is given."""
    return [(f"{column} = ?", (value,)) for column, value in filters.items() if value is not None]


def between(column: str, since: datetime | None, until: datetime | None) -> list[Condition]:
    """Bounds a column from `since` to `until`, both included; None: no bound."""
    bounds = ((f"{column} >= ?", moment_or_none(since)), (f"{column} <= ?", moment_or_none(until)))
    return [(sql, (value,)) for sql, value in bounds if value is not None]


def matching(column: str, search: str | None) -> list[Condition]:
    """Chooses rows whose column holds the text, wherever in it."""
    if not search:
        return []
    escaped = re.sub(r"([\\%_])", r"\\\1", search)
    return [(f"{column} LIKE ? ESCAPE '\\'", (f"%{escaped}%",))]


def open_text(log: ReadableLog, stored: str | None) -> Any:
    """Opens what `base.sealed` stored; None once its key is destroyed."""
    return None if stored is None else log.open_value(Sealed.parse(stored))


async def event_at(log: ReadableLog, position: int | None) -> Event | None:
    """Reads the event at that position, private fields sealed; None if there is no such event."""
    if position is None:
        return None
    found = await log.read(position - 1, limit=1, sealed=True)
    return found[0].event if found else None


async def payload(log: ReadableLog, ref: PayloadRef) -> bytes | None:
    """Reads the plain bytes of a payload; None once their key is destroyed."""
    try:
        return await log.open_payload(ref)
    except NotFound:
        return None


async def _connect(path: Path) -> aiosqlite.Connection:
    db = await aiosqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    db.row_factory = aiosqlite.Row
    await db.execute_fetchall("PRAGMA cache_size=-1024")
    return db


def _size(limit: int) -> int:
    if limit < 1:
        raise InvalidRequest("limit is a number from 1 to 200.", param="limit")
    return min(limit, MOST)


def _behind(key: str, cursor: str | None) -> list[Condition]:
    return [] if cursor is None else [(f"{key} < ?", (_place(cursor),))]


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"before:{place}".encode()).decode().rstrip("=")


def _place(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        mark, _, place = text.partition(":")
        if mark == "before" and place.isascii() and place.isdigit() and len(place) < 19:
            return int(place)
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequest("This cursor is not one of ours. Begin without one.", param="cursor")
