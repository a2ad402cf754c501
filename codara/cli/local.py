"""A client without a gateway: it answers from the routes themselves, in this process."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import attrs
import orjson

from codara.bootstrap import offline
from codara.client.client import PREFIX, Envelope
from codara.config.load import Loaded
from codara.errors import NotFound
from codara.http.app import ROUTES
from codara.http.envelope import envelope
from codara.http.planes import OPERATOR, Operator
from codara.http.requests import Identity
from codara.http.routing import Route
from codara.http.services import Services

CALLER = Operator("op_local", actor="cli")

Found = tuple[Route[Any, Any, Any, Any], Mapping[str, str]]


@attrs.frozen
class LocalClient:
    """Runs the operator's routes on the services, as actor `cli`; satisfies `Client`."""

    services: Services

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Envelope:
        """Returns what the gateway would answer, or raises what it would refuse with."""
        route, named = _route(method, f"{PREFIX}{path}")
        identity = _identity(self.services)
        asked = route.asked(
            self.services, CALLER, identity, path=named, query=query or {}, body=body or {}
        )
        answer = await route.handler(asked)
        said = _plain(envelope(answer, identity, self.services.clock()))
        return Envelope(data=said["data"], meta=said["meta"])


@asynccontextmanager
async def local(loaded: Loaded) -> AsyncIterator[LocalClient]:
    """Opens the house without a gateway; LogLocked if another process holds its log."""
    async with offline.offline(loaded) as services:
        yield LocalClient(services)


@asynccontextmanager
async def nothing_yet(loaded: Loaded) -> AsyncIterator[LocalClient]:
    """Answers for a machine on which nothing ever happened, and leaves nothing on it."""
    async with offline.nothing_yet(loaded) as services:
        yield LocalClient(services)


def _route(method: str, path: str) -> Found:
    """Finds the operator's route for a path, and what it names; NotFound if no route has it."""
    for route in ROUTES:
        if isinstance(route, Route) and route.guard is OPERATOR and route.method == method:
            named = _named(route.path, path)
            if named is not None:
                return route, named
    raise NotFound(f"There is no {path} here.")


def _named(pattern: str, path: str) -> dict[str, str] | None:
    """Reads the parts of a path that ``{name}`` stands for; None if the path is another."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    named: dict[str, str] = {}
    for part, said in zip(wanted, given, strict=True):
        if part.startswith("{") and said:
            named[part.strip("{}")] = unquote(said)
        elif part != said:
            return None
    return named


def _identity(services: Services) -> Identity:
    return Identity(
        request_id=services.new_id("req"),
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        flags="01",
    )


def _plain(value: Any) -> Any:
    """Makes JSON of a value and reads it back: what a client of the gateway would get to see."""
    return orjson.loads(orjson.dumps(value))
