"""How often an address may try to log in, and how refused logins are counted."""

import ipaddress
from collections import OrderedDict, deque
from datetime import datetime, timedelta

import attrs

_MOST_ADDRESSES = 10_000


def origin_of(address: str) -> str:
    """Returns what counts as one address: an IPv4 address, or the /64 network of an IPv6 one.

    `unknown` if the text is not an address.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))


@attrs.define
class _Origin:
    tries: deque[datetime] = attrs.field(factory=deque)
    unwritten: int = 0
    written_minute: datetime | None = None


@attrs.define(kw_only=True)
class LoginGuard:
    """Limits the failed logins of an address: up to `limit` within `window`; kept in memory.

    A try counts as failed from its beginning, so that many tries at once gain nothing. `forgive`
    takes back what a successful login had counted. Delays are in seconds.
    """

    limit: int = 10
    window: timedelta = timedelta(minutes=1)
    first_delay: float = 0.02
    longest_delay: float = 0.5
    _origins: "OrderedDict[str, _Origin]" = attrs.field(factory=OrderedDict, init=False)

    def enter(self, origin: str, now: datetime) -> float | None:
        """Counts a try and returns None if the address may try; else the seconds until it may."""
        tries = self._of(origin).tries
        while tries and tries[0] <= now - self.window:
            tries.popleft()
        if len(tries) >= self.limit:
            return (tries[0] + self.window - now).total_seconds()
        tries.append(now)
        return None

    def delay(self, origin: str) -> float:
        """Returns how many seconds to hold back a refusal: doubled with each try, up to a limit."""
        doublings = max(0, len(self._of(origin).tries) - 1)
        return float(min(self.longest_delay, self.first_delay * 2 ** min(doublings, 16)))

    def forgive(self, origin: str) -> None:
        """Forgets the tries of an address from which somebody has logged in."""
        self._of(origin).tries.clear()

    def count(self, origin: str, now: datetime) -> int:
        """Counts a refusal; returns how many to record now, 0 if this minute has its event."""
        self._of(origin).unwritten += 1
        return self._due(self._of(origin), now)

    def due(self, now: datetime) -> dict[str, int]:
        """Returns the refusals of earlier minutes that are not recorded yet, by address."""
        amounts = {origin: self._due(known, now) for origin, known in self._origins.items()}
        return {origin: amount for origin, amount in amounts.items() if amount}

    def rest(self) -> dict[str, int]:
        """Returns all refusals that are not recorded yet, by address; for the gateway's end."""
        rest = {origin: known.unwritten for origin, known in self._origins.items()}
        for known in self._origins.values():
            known.unwritten = 0
        return {origin: amount for origin, amount in rest.items() if amount}

    @property
    def idle(self) -> bool:
        """Tells whether every refusal is recorded."""
        return not any(known.unwritten for known in self._origins.values())

    def _due(self, known: _Origin, now: datetime) -> int:
        minute = now.replace(second=0, microsecond=0)
        if known.unwritten == 0 or known.written_minute == minute:
            return 0
        amount, known.unwritten, known.written_minute = known.unwritten, 0, minute
        return amount

    def _of(self, origin: str) -> _Origin:
        known = self._origins.setdefault(origin, _Origin())
        self._origins.move_to_end(origin)
        if len(self._origins) > _MOST_ADDRESSES:
            self._origins.popitem(last=False)
        return known
