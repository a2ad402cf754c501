"""Opens the ways out of jails: one broker for each, and one session to the world for all."""

import aiohttp

from codara.adapters.egress.broker import Broker
from codara.adapters.egress.doors import BROKER_PORT, PROXY_PORT, Doors
from codara.adapters.egress.outgoing import outgoing_session
from codara.application.ports.jails import JailJournal
from codara.errors import ShuttingDown


class WaysOut:
    """Makes brokers; its maker calls `close`, after the last jail is gone.

    With `network="none"` a broker has no proxy beside it; `allow_hosts` is added to each one's.
    `walls` says whether jails have a network of their own, with doors at the same ports in each;
    without one, doors are on the host's loopback at ports that the kernel chooses.
    """

    def __init__(
        self,
        journal: JailJournal,
        *,
        walls: bool = True,
        network: str = "proxy",
        allow_hosts: tuple[str, ...] = (),
    ) -> None:
        self._journal = journal
        self._doors = Doors.inside if walls else Doors.on_host
        self._ports = (BROKER_PORT, PROXY_PORT) if network == "proxy" else (BROKER_PORT,)
        self._allow_hosts = allow_hosts
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def open(self, jail_id: str, allow_hosts: tuple[str, ...] = ()) -> Broker:
        """Opens a way out for a jail to come, so that its files and variables can name the doors.

        The caller starts a jail with it, or closes it. ShuttingDown after `close`.
        """
        if self._closed:
            raise ShuttingDown("the gateway is stopping; no agent is started any more")
        if self._session is None:
            self._session = outgoing_session()
        return Broker(
            jail_id,
            self._doors(self._ports),
            journal=self._journal,
            session=self._session,
            allow_hosts=self._allow_hosts + allow_hosts,
        )

    async def close(self) -> None:
        """Ends the session that all brokers share."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
