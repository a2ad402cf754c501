"""Who holds a connection: a bounded number in all and of each address, and some for operators."""

import ipaddress
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import attrs

from codara.errors import Overloaded
from codara.http.addresses import is_trusted

NO_ADDRESS = "unknown"
RESERVE = 64
_ONE_NETWORK = 64
"""Bits of an IPv6 address that one customer of a provider shares."""
_SHARE = 4
_OPERATORS = ("/healthz", "/readyz", "/management/")
_FULL = "All connections of this gateway are in use by requests. Send it again shortly."


class Held(Protocol):
    """A connection as far as its place is concerned."""

    def force_close(self) -> None: ...


@attrs.frozen(kw_only=True)
class DoorBounds:
    """How many connections there may be; `reserve` comes on top of `total`."""

    total: int = 2048
    per_address: int = 512
    reserve: int = RESERVE


@attrs.define(eq=False)
class Place:
    """The place of one connection; `reserved` is one where only operators' requests are served."""

    connection: Held
    address: str
    shared: bool
    reserved: bool = False


class Connections:
    """Gives each connection its place; once all are taken, closes one that is idle.

    A trusted proxy is not one client: its connections count in all, but not as those of an address.
    """

    def __init__(self, bounds: DoorBounds, trusted: Sequence[str] = ()) -> None:
        self._trusted = trusted
        self._ordinary = _Places(bounds.total, bounds.per_address)
        self._reserve = _Places(bounds.reserve, max(1, bounds.reserve // _SHARE))
        self._per_client = bounds.per_address
        self._asking: Counter[str] = Counter()

    def enter(self, connection: Held, address: str) -> Place | None:
        """Returns a place; None if all are taken by requests that are under way."""
        place = Place(connection, network_of(address), is_trusted(address, self._trusted))
        if self._ordinary.take(place):
            return place
        place.reserved = True
        return place if self._reserve.take(place) else None

    def leave(self, place: Place) -> None:
        """Gives the place back; harmless when done twice."""
        self._of(place).leave(place)

    def begin(self, place: Place) -> None:
        """A request has begun: the connection is not closed for another one."""
        self._of(place).busy(place)

    def end(self, place: Place) -> None:
        """The request is over: the connection may be closed for another one."""
        self._of(place).idle(place)

    def is_idle(self, place: Place) -> bool:
        """Tells whether no request is under way at this place."""
        return self._of(place).is_idle(place)

    def check(self, place: Place, path: str) -> None:
        """Raises Overloaded for a request that is not an operator's in a reserved place."""
        if place.reserved and not path.startswith(_OPERATORS):
            raise Overloaded(_FULL, retry_after=1.0)

    @contextmanager
    def asking(self, place: Place, client: str) -> Iterator[None]:
        """Counts a client's requests behind a trusted proxy; Overloaded beyond those of an address.

        There the connections are the proxy's.
        """
        client = network_of(client)
        if not place.shared or client == place.address:
            yield
            return
        if self._asking[client] >= self._per_client:
            raise Overloaded(
                f"{self._per_client} requests of your address are under way; wait for one of them.",
                retry_after=1.0,
            )
        self._asking[client] += 1
        try:
            yield
        finally:
            self._asking[client] -= 1
            self._asking += Counter()

    def _of(self, place: Place) -> "_Places":
        return self._reserve if place.reserved else self._ordinary


class _Places:
    """Some places. The idle ones of each address are kept in order, the longest idle first."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._held: dict[str, set[Place]] = {}
        self._idle: dict[str, dict[Place, None]] = {}
        self._count = 0

    def take(self, place: Place) -> bool:
        """Takes a place, idle from the start, if need be that of an idle connection."""
        if self._is_full(place):
            self._make_room(place.address)
        elif self._count >= self._total and self._idle:
            self._make_room(max(self._idle, key=lambda address: len(self._idle[address])))
        if self._is_full(place) or self._count >= self._total:
            return False
        self._held.setdefault(place.address, set()).add(place)
        self._count += 1
        self.idle(place)
        return True

    def leave(self, place: Place) -> None:
        self.busy(place)
        held = self._held.get(place.address, set())
        if place in held:
            held.remove(place)
            self._count -= 1
        if not held:
            self._held.pop(place.address, None)

    def busy(self, place: Place) -> None:
        idle = self._idle.get(place.address, {})
        idle.pop(place, None)
        if not idle:
            self._idle.pop(place.address, None)

    def idle(self, place: Place) -> None:
        if place in self._held.get(place.address, ()):
            self._idle.setdefault(place.address, {})[place] = None

    def is_idle(self, place: Place) -> bool:
        return place in self._idle.get(place.address, ())

    def _is_full(self, place: Place) -> bool:
        held = len(self._held.get(place.address, ()))
        return not place.shared and held >= self._per_address

    def _make_room(self, address: str) -> None:
        oldest = next(iter(self._idle.get(address, ())), None)
        if oldest is not None:
            self.leave(oldest)
            oldest.connection.force_close()


def network_of(address: str) -> str:
    """Returns what counts as one address: of IPv6 the network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _ONE_NETWORK), strict=False))
