"""The broker of one jail: the agent's requests go out with the key of the account lent."""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from yarl import URL

from codara.adapters.egress import forwarding, reaching
from codara.adapters.egress.asking import asked
from codara.adapters.egress.doors import PROXY_PORT, Doors
from codara.adapters.egress.lending import Lending
from codara.adapters.egress.mask import Mask
from codara.adapters.egress.proxy import Proxy
from codara.adapters.egress.serving import BrokerServer, refusal
from codara.adapters.jail.wayout import Listeners
from codara.application.ports.jails import JailJournal
from codara.errors import AgentFailed

MOST_PLACES = 100
CLOSE_SECONDS = 1.0
_LONGEST_HOST = 253
_NO_LOGIN = "The gateway cannot renew the account's login at its provider now. Try again shortly."

log = logging.getLogger(__name__)


class Broker:
    """Satisfies `WayOut`, at the doors it was given.

    A request that shows the jail's token is sent to the base URL of the present lending, with the
    real key instead of the token, both directions streaming. Without a lending it is answered 503;
    everything else is refused. `session` is shared by all brokers and belongs to their maker.
    """

    def __init__(
        self,
        jail_id: str,
        doors: Doors,
        *,
        journal: JailJournal,
        session: aiohttp.ClientSession,
        allow_hosts: tuple[str, ...] = (),
    ) -> None:
        self.doors = doors
        self.allow_hosts = allow_hosts
        self._session = session
        self._lending: Lending | None = None
        self._egress: Counter[str] = Counter()
        self._denials = Denials(jail_id, journal)
        self._proxy = Proxy(allow_hosts, let_out=self._count, refuse=self._denials.report)
        self._servers: list[asyncio.Server] = []
        self._served = self._closed = False
        self._web = BrokerServer(self._serve)
        self._requests: set[asyncio.Task[object]] = set()

    def lend(self, lending: Lending) -> None:
        """From now on requests are made with this account."""
        self._lending = lending

    def withdraw(self) -> None:
        """Nothing more is made with the account: requests in flight are cut, later ones get 503."""
        self._lending = None
        for request in self._requests:
            request.cancel()

    def egress(self) -> Mapping[str, int]:
        """Requests and tunnels let out so far, by `host:port`; by `others` beyond a hundred."""
        return dict(self._egress)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of its doors."""
        return self.doors.ports

    def environment(self) -> Mapping[str, str]:
        """Returns the variables by which tools find the proxy, if there is one."""
        return self.doors.proxy_environment()

    async def serve(self, listeners: Listeners) -> None:
        """Answers on these sockets, and on those its doors have already, and owns them.

        After `close` they are closed.
        """
        self._served = True
        waiting = {**self.doors.listeners, **listeners}
        try:
            while waiting and not self._closed:
                port, listener = waiting.popitem()
                self._servers.append(await self._server(port, listener))
        finally:
            for listener in waiting.values():
                listener.close()
            if self._closed:
                self._close_servers()

    async def _server(self, port: int, listener: socket.socket) -> asyncio.Server:
        if port == PROXY_PORT:
            return await asyncio.start_server(self._proxy.serve, sock=listener)
        return await asyncio.get_running_loop().create_server(self._web.connection, sock=listener)

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Closes listeners and connections; the counts stay."""
        self._closed = True
        self.withdraw()
        self._close_servers()
        if not self._served:
            self.doors.close()
        await self._web.shutdown(CLOSE_SECONDS)
        await self._proxy.close()
        await self._denials.close()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("requests are served in tasks")
        self._requests.add(task)
        try:
            return await self._answer(request)
        finally:
            self._requests.discard(task)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        elsewhere = forwarding.foreign_target(request)
        if elsewhere is not None:
            self._denials.report(*elsewhere)
            return refusal(403, "not_allowed", "the jail has no way to that host")
        if not forwarding.shows_token(request.headers, self.doors.token):
            _told(self._lending, request, "invalid_token")
            return refusal(401, "invalid_token", "this is not the key of this jail")
        if "upgrade" in request.headers:
            return refusal(426, "no_upgrade", "WebSockets are not brokered; use HTTP streaming")
        lending = self._lending
        if lending is None:
            return refusal(503, "no_account_lent", "no turn is running, so no account is lent")
        url = forwarding.target(lending.base_url, request.raw_path)
        if url is None:
            return refusal(403, "not_allowed", "the path leaves the configured base URL")
        self._count(url.host or "", url.port or 0)
        return await self._forward(request, lending, url)

    async def _forward(
        self, request: web.BaseRequest, lending: Lending, url: URL
    ) -> web.StreamResponse:
        answer: web.StreamResponse | None = None
        try:
            async with asked(self._session, request, lending, url) as (used, upstream):
                reaching.refuse_foreign(upstream)
                mask = Mask(used.secret)
                forwarding.observe(used, upstream)
                answer = forwarding.response_head(upstream, mask)
                await answer.prepare(request)
                listen = used.listen
                hear = None if listen is None else listen(request.path, upstream.status)
                await forwarding.stream(upstream, answer, mask, hear)
        except (aiohttp.ClientError, TimeoutError, OSError, reaching.ForeignAnswer) as failure:
            if answer is None or not answer.prepared:
                told = reaching.sentence(url.host or "", reaching.failed(failure))
                _told(lending, request, "upstream_unreachable", told)
                return refusal(502, "upstream_unreachable", told)
            if lending.broken is not None and _listens(request):
                lending.broken()
            _cut(request)
        except AgentFailed as failure:
            over = failure.cause == "auth_failed"
            status, code = (401, "login_over") if over else (503, "upstream_unreachable")
            _told(lending, request, code, _NO_LOGIN)
            return refusal(status, code, failure.message)
        return answer

    def _count(self, host: str, port: int) -> None:
        place = f"{host}:{port}"
        known = place in self._egress or len(self._egress) < MOST_PLACES
        self._egress[place if known else "others"] += 1


class Denials:
    """Tells the journal of refused connections, each host and port once, a bounded number."""

    MOST = 100

    def __init__(self, jail_id: str, journal: JailJournal) -> None:
        self._jail_id = jail_id
        self._journal = journal
        self._seen: set[tuple[str, int]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    def report(self, host: str, port: int) -> None:
        """Queues the news; never waits."""
        if (host, port) in self._seen or len(self._seen) >= self.MOST:
            return
        self._seen.add((host, port))
        task = asyncio.create_task(self._tell(host[:_LONGEST_HOST], port))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, host: str, port: int) -> None:
        try:
            await self._journal.egress_denied(self._jail_id, host=host, port=port)
        except Exception as error:
            log.warning("a refused connection of %s is not in the log: %r", self._jail_id, error)

    async def close(self) -> None:
        """Waits, at most a second, until the journal has it all."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=CLOSE_SECONDS)


def _told(lending: Lending | None, request: web.BaseRequest, code: str, told: str = "") -> None:
    if lending is not None and lending.refused is not None and _listens(request):
        lending.refused(request.path, code, told)


def _listens(request: web.BaseRequest) -> bool:
    """Whether the agent is still there to hear the answer."""
    return request.transport is not None and not request.transport.is_closing()


def _cut(request: web.BaseRequest) -> None:
    with contextlib.suppress(AttributeError):
        request.transport.abort()  # type: ignore[union-attr]  # None once the client is gone
