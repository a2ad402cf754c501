"""A client of a running gateway: its management plane, with its local operator token."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp

from codara.client.client import PREFIX, Envelope
from codara.client.running import RunningGateway
from codara.errorcodes import BY_CODE
from codara.errors import CodaraError, NotFound

_SECONDS = 30.0


class RemoteClient:
    """Speaks to the gateway over HTTP; satisfies `Client`."""

    def __init__(self, running: RunningGateway, connection: aiohttp.ClientSession) -> None:
        self._running = running
        self._connection = connection

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Envelope:
        """Returns the gateway's answer, or raises its refusal in its own words.

        CodaraError names the gateway, too, if it does not answer within 30 s.
        """
        try:
            async with self._connection.request(
                method, f"{PREFIX}{path}", params=query, json=body
            ) as response:
                said = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as gone:
            raise self._silent(str(gone) or type(gone).__name__) from gone
        if not response.ok:
            raise _refused(response.status, said)
        if not isinstance(said, dict) or "data" not in said:
            raise self._silent("what it says is no answer of a gateway")
        return Envelope(data=said["data"], meta=said.get("meta") or {})

    def _silent(self, why: str) -> CodaraError:
        return CodaraError(
            f"The gateway at {self._running.address} (process {self._running.pid}) does not "
            f"answer: {why}"
        )


@asynccontextmanager
async def remote(running: RunningGateway) -> AsyncIterator[RemoteClient]:
    """Opens a connection to the gateway, which is closed at the end."""
    async with aiohttp.ClientSession(
        running.address,
        headers={"Authorization": f"Bearer {running.token}"},
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
    ) as connection:
        yield RemoteClient(running, connection)


def _refused(status: int, said: Any) -> CodaraError:
    """Makes the error that the gateway refused with; its code is kept where we know it."""
    body = _object(said)
    error = _object(body.get("error"))
    message = error.get("message") or f"The gateway answered {status}."
    otherwise = NotFound if status == HTTPStatus.NOT_FOUND else CodaraError
    kind = BY_CODE.get(str(error.get("code")), otherwise)
    cause = _object(body.get("codara")).get("cause")
    return kind(message, param=error.get("param"), cause=cause)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
