"""Where a request came from, also behind trusted proxies."""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from codara.http.services import SERVICES


def client_address(request: web.Request) -> str:
    """Returns the nearest address that is not a trusted proxy; `unknown` if there is no address."""
    return address_of(request, request.app[SERVICES].settings.server.trusted_proxies)


def address_of(request: web.BaseRequest, trusted: Sequence[str]) -> str:
    """Returns the nearest address that is not one of the `trusted` proxies."""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    address = request.remote or "unknown"
    while hops and is_trusted(address, trusted):
        address = hops.pop()
    return address


def is_trusted(address: str, trusted: Sequence[str]) -> bool:
    """Tells whether an address is one of these, or in one of these networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in trusted)
