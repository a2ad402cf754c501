"""Routes: each is a value of method, path, guard, and the shapes that it takes and answers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

import attrs
from aiohttp import web

from codara.events.base import Cause
from codara.http.addresses import client_address
from codara.http.body import form_fields, json_object
from codara.http.envelope import Answer, enveloped
from codara.http.planes import Actor, Guard
from codara.http.requests import Identity, identity_of
from codara.http.services import SERVICES, Services
from codara.http.shapes import Nothing, from_body, from_query

C = TypeVar("C", bound=Actor)
Q = TypeVar("Q")
B = TypeVar("B")
A = TypeVar("A")

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@attrs.frozen(kw_only=True)
class Asked(Generic[C, Q, B]):
    """A request as its handler gets it: decoded, and with its caller.

    `path` holds the parts of the path that the route names. `address` is where the request came
    from. `authorization` is the header of that name.
    """

    services: Services
    caller: C
    identity: Identity
    path: Mapping[str, str]
    query: Q
    body: B
    address: str = "unknown"
    authorization: str = attrs.field(default="", repr=False)

    @property
    def cause(self) -> Cause:
        """Returns the cause of what follows from the request: its caller, its trace, and its id."""
        return Cause(
            actor=self.caller.actor,
            correlation_id=self.identity.trace_id,
            causation_id=self.identity.request_id,
        )


@attrs.frozen(kw_only=True)
class Route(Generic[C, Q, B, A]):
    """One operation for users or operators; its answer is put into the envelope."""

    method: str
    path: str
    guard: Guard[C]
    query: type[Q]
    body: type[B]
    answer: Any
    """The type of the answer's data."""
    status: int
    forms: bool
    """Whether the body may also come as a form."""
    handler: Callable[[Asked[C, Q, B]], Awaitable[Answer[A]]]

    @property
    def name(self) -> str:
        """Returns the operation's name: the handler's module and function."""
        module = self.handler.__module__.rpartition(".")[2]
        return f"{module}.{self.handler.__name__}"

    async def respond(self, request: web.Request) -> web.Response:
        """Admits the request, decodes it, and answers it in the envelope."""
        caller = await self.guard.admit(request)
        body = await self._values(request)
        asked = self.asked(
            request.app[SERVICES],
            caller,
            identity_of(request),
            path=request.match_info,
            query=request.query,
            body=body,
            address=client_address(request),
            authorization=request.headers.get("Authorization", ""),
        )
        answer = await self.handler(asked)
        return enveloped(request, answer, self.status)

    def asked(
        self,
        services: Services,
        caller: C,
        identity: Identity,
        *,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: Mapping[str, Any],
        address: str = "unknown",
        authorization: str = "",
    ) -> Asked[C, Q, B]:
        """Decodes what was sent; InvalidRequest names the field that is wrong."""
        return Asked(
            services=services,
            caller=caller,
            identity=identity,
            path=path,
            query=from_query(self.query, query),
            body=from_body(self.body, body),
            address=address,
            authorization=authorization,
        )

    async def _values(self, request: web.Request) -> Mapping[str, Any]:
        if self.body is Nothing and not request.body_exists:
            return {}
        if self.forms and request.content_type in _FORMS:
            return await form_fields(request)
        return await json_object(request)


Handler = Callable[[Asked[C, Q, B]], Awaitable[Answer[A]]]
Streaming = Callable[[web.Request, C], Awaitable[web.StreamResponse]]


@attrs.frozen(kw_only=True)
class RawRoute(Generic[C]):
    """One operation that reads its request and makes its response itself."""

    method: str
    path: str
    guard: Guard[C]
    handler: Streaming[C]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Admits the request and hands it to the handler."""
        return await self.handler(request, await self.guard.admit(request))


@attrs.define
class Routes(Generic[C]):
    """Collects the routes of one plane where their handlers are defined.

    Paths are below `prefix`; every route of the table has the table's guard.
    """

    guard: Guard[C]
    prefix: str = ""
    all: list["Route[Any, Any, Any, Any] | RawRoute[Any]"] = attrs.field(factory=list, init=False)

    def get(
        self, path: str, *, query: type[Q], answer: type[A]
    ) -> Callable[[Handler[C, Q, Nothing, A]], Handler[C, Q, Nothing, A]]:
        """Routes a question to the decorated handler."""
        return self._adding("GET", path, query=query, body=Nothing, answer=answer)

    def post(
        self, path: str, *, body: type[B], answer: type[A], status: int = 200, forms: bool = False
    ) -> Callable[[Handler[C, Nothing, B, A]], Handler[C, Nothing, B, A]]:
        """Routes a command to the decorated handler; `body` is Nothing if it is not read."""
        return self._adding(
            "POST", path, query=Nothing, body=body, answer=answer, status=status, forms=forms
        )

    def patch(
        self, path: str, *, body: type[B], answer: type[A]
    ) -> Callable[[Handler[C, Nothing, B, A]], Handler[C, Nothing, B, A]]:
        """Routes a change to the decorated handler."""
        return self._adding("PATCH", path, query=Nothing, body=body, answer=answer)

    def delete(
        self, path: str, *, answer: type[A]
    ) -> Callable[[Handler[C, Nothing, Nothing, A]], Handler[C, Nothing, Nothing, A]]:
        """Routes a removal to the decorated handler."""
        return self._adding("DELETE", path, query=Nothing, body=Nothing, answer=answer)

    def raw(self, method: str, path: str) -> Callable[[Streaming[C]], Streaming[C]]:
        """Routes requests to a decorated handler that reads and answers them itself."""

        def add(handler: Streaming[C]) -> Streaming[C]:
            route = RawRoute(
                method=method, path=self.prefix + path, guard=self.guard, handler=handler
            )
            self.all.append(route)
            return handler

        return add

    def _adding(
        self,
        method: str,
        path: str,
        *,
        query: type[Q],
        body: type[B],
        answer: type[A],
        status: int = 200,
        forms: bool = False,
    ) -> Callable[[Handler[C, Q, B, A]], Handler[C, Q, B, A]]:
        def add(handler: Handler[C, Q, B, A]) -> Handler[C, Q, B, A]:
            route = Route(
                method=method,
                path=self.prefix + path,
                guard=self.guard,
                query=query,
                body=body,
                answer=answer,
                status=status,
                forms=forms,
                handler=handler,
            )
            self.all.append(route)
            return handler

        return add
