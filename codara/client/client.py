"""What a client of the management plane can ask, of a gateway or of its own process."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

import attrs

PREFIX = "/management/v1"
LARGEST_PAGE = 200


@attrs.frozen(kw_only=True)
class Envelope:
    """An answer as plain JSON values: its data, and what is said about it."""

    data: Any
    meta: Mapping[str, Any]


class Client(Protocol):
    """Asks the management plane."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Envelope:
        """Returns the answer to a request of plain JSON values.

        `path` is below `/management/v1`, its parts percent-encoded. A refusal is raised as the
        CodaraError that the gateway refused with: NotFound if there is no such thing.
        """


async def listed(client: Client, path: str, limit: int, query: Mapping[str, str]) -> list[Any]:
    """Fetches up to `limit` rows of a listing, newest first, page by page."""
    found: list[Any] = []
    asked = {**query, "limit": str(min(limit, LARGEST_PAGE))}
    while True:
        answer = await client.ask("GET", path, query=asked)
        found += answer.data
        page = answer.meta.get("page") or {}
        if len(found) >= limit or not page.get("has_more"):
            return found[:limit]
        asked["cursor"] = page["cursor"]


def item(*parts: str) -> str:
    """Builds a path of parts that may hold anything, such as ids that people typed."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)
