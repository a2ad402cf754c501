"""Commands beside a running gateway: its management plane, with its local operator token."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
import attrs

from codara.adapters.gatewayfile import RunningGateway
from codara.application.accounts import NewAccount
from codara.application.users import NewUser
from codara.errors import CodaraError, NotFound

PREFIX = "/management/v1"
LARGEST_PAGE = 200
_SECONDS = 30.0


class RemoteBackend:
    """Speaks to the gateway; whatever it refuses is raised with its own words."""

    def __init__(self, running: RunningGateway, client: aiohttp.ClientSession) -> None:
        self._running = running
        self._client = client

    async def list(self, kind: str, limit: int, filters: Mapping[str, str]) -> list[Any]:
        found: list[Any] = []
        query = {**filters, "limit": str(min(limit, LARGEST_PAGE))}
        while True:
            answer = await self.ask("GET", f"/{kind}", params=query)
            found += answer["data"]
            page = answer["meta"].get("page") or {}
            if len(found) >= limit or not page.get("has_more"):
                return found[:limit]
            query["cursor"] = page["cursor"]

    async def get(self, kind: str, item_id: str) -> Any:
        return (await self.ask("GET", f"/{kind}/{quote(item_id, safe='')}"))["data"]

    async def create_user(self, new: NewUser) -> Any:
        body = {key: value for key, value in attrs.asdict(new).items() if value is not None}
        if new.key_expires_at is not None:
            body["key_expires_at"] = new.key_expires_at.isoformat()
        return (await self.ask("POST", "/users", json=body))["data"]

    async def add_account(self, new: NewAccount) -> Any:
        form = aiohttp.FormData()
        for key in ("account_id", "provider", "auth_type", "label"):
            form.add_field(key, getattr(new, key))
        form.add_field("credential_file", new.credential, filename="credential")
        return (await self.ask("POST", "/accounts/upload", data=form))["data"]

    async def cancel_task(self, task_id: str) -> None:
        await self.ask("POST", f"/tasks/{quote(task_id, safe='')}/cancel")

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """The whole envelope of an answer of the management plane."""
        try:
            async with self._client.request(method, f"{PREFIX}{path}", **options) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as gone:
            raise CodaraError(
                f"The gateway at {self._running.address} (process {self._running.pid}) does not "
                f"answer: {gone or type(gone).__name__}"
            ) from gone
        if response.ok:
            return body
        error = body.get("error", {}) if isinstance(body, dict) else {}
        message = error.get("message") or f"The gateway answered {response.status}."
        raise (NotFound if response.status == HTTPStatus.NOT_FOUND else CodaraError)(message)


@asynccontextmanager
async def remote(running: RunningGateway) -> AsyncIterator[RemoteBackend]:
    """A connection to the gateway, closed at the end."""
    async with aiohttp.ClientSession(
        running.address,
        headers={"Authorization": f"Bearer {running.token}"},
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
    ) as client:
        yield RemoteBackend(running, client)
