"""HTTP with an `opencode serve` in its jail: requests, and the stream of its events."""

import base64
import io
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.lines import CHUNK, LINE_LIMIT, Lines, LineTooLong, value_in
from codara.adapters.jail.jail import Jail
from codara.errors import JailUnavailable

USER = "opencode"

_WAYS = 16
_FEWEST = 4
_CONNECT_SECONDS = 5.0
_DATA = b"data: "
_JSON = {"Content-Type": "application/json"}


class OpenCodeWire:
    """Connects inside the jail: each connection uses up one socket that was made there.

    Each request is about the workspace `folder`. opencode decodes the name once more than HTTP
    does.
    `endless` turns true once opencode has said something that had no end.
    """

    def __init__(self, jail: Jail, port: int, password: str, folder: Path) -> None:
        self.endless = False
        self._jail = jail
        self._base = f"http://127.0.0.1:{port}"
        self._about = {"directory": quote(os.fsencode(folder))}
        self._ways: list[socket.socket] = []
        key = base64.b64encode(f"{USER}:{password}".encode()).decode()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._way, force_close=True),
            headers={"Authorization": f"Basic {key}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        )

    async def refill(self) -> None:
        """Sees to it that a turn has sockets enough; Gone if the jail has gone."""
        if len(self._ways) < _FEWEST:
            try:
                self._ways.extend(await self._jail.ways_in(_WAYS))
            except JailUnavailable as gone:
                raise Gone(str(gone)) from gone

    async def close(self) -> None:
        """Gives all sockets back; harmless when done twice."""
        await self._session.close()
        while self._ways:
            self._ways.pop().close()

    async def get(self, path: str) -> Any:
        """Returns the JSON at a path; Refused or Gone."""
        return await self._request("GET", path, None)

    async def get_much(self, path: str) -> Any:
        """Returns the same, of what may well be longer than is read: Refused then."""
        return await self._request("GET", path, None, may_be_long=True)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Returns the JSON answer to a POST, however long it takes; Refused or Gone."""
        return await self._request("POST", path, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Returns the JSON answer to a change; Refused or Gone."""
        return await self._request("PATCH", path, body)

    async def delete(self, path: str) -> Any:
        """Returns the JSON answer to a removal; Refused or Gone."""
        return await self._request("DELETE", path, None)

    async def events(self) -> AsyncIterator[bytes]:
        """The events as they come, each as its JSON text; Gone if they cannot be had."""
        lines = Lines()
        try:
            async with self._session.get(self._base + "/event", params=self._about) as answer:
                if answer.status != 200:
                    raise Gone
                while chunk := await answer.content.read(CHUNK):
                    for line in lines.feed(chunk):
                        if line.startswith(_DATA):
                            yield line.removeprefix(_DATA)
        except LineTooLong as endless:
            self.endless = True
            raise Gone from endless
        except (aiohttp.ClientError, TimeoutError, OSError) as lost:
            raise Gone(str(lost)) from lost

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, may_be_long: bool = False
    ) -> Any:
        data = None if body is None else io.BytesIO(orjson.dumps(body))
        try:
            async with self._session.request(
                method,
                self._base + path,
                params=self._about,
                data=data,
                headers=_JSON if data else None,
            ) as answer:
                text = await self._read(answer.content)
                if text is None and may_be_long:
                    raise AgentRefused(f"opencode's answer is longer than {LINE_LIMIT} bytes")
                if text is None:
                    self.endless = True
                    raise Gone
                if answer.status >= 400:
                    told = text[:500].decode("utf-8", "replace")
                    raise AgentRefused(f"opencode answered {answer.status}: {told}", answer.status)
                return await value_in(text) if text else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as lost:
            raise Gone(str(lost)) from lost

    async def _read(self, content: aiohttp.StreamReader) -> bytes | None:
        """All of it; None if that is more than a line may have."""
        parts: list[bytes] = []
        left = LINE_LIMIT
        while chunk := await content.read(CHUNK):
            parts.append(chunk)
            left -= len(chunk)
            if left < 0:
                return None
        return b"".join(parts)

    def _way(self, _: object) -> socket.socket:
        if not self._ways:
            raise OSError("no socket of the jail's network is left")
        return self._ways.pop()
