"""The way out of a jail: what a jail asks of it, and the one that leads nowhere."""

import socket
from collections.abc import Mapping
from typing import Protocol

Listeners = Mapping[int, socket.socket]
"""Listening sockets by the port they were wanted at."""


class WayOut(Protocol):
    """Answers inside a jail on behalf of the world outside.

    The starter of the jail brings it; it is closed at the jail's end.
    """

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it wants to be reached, on the loopback of a jail with a network of its own."""

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        """The hosts it leads to, for the policy by which the jail is known."""

    def environment(self) -> Mapping[str, str]:
        """Returns the variables by which programs find it."""

    async def serve(self, listeners: Listeners) -> None:
        """Answers from now on, on one socket for each port, and owns them.

        A jail that shares the host's network has none to give. After `close` they are closed.
        """

    async def close(self) -> None:
        """Gives back everything, whether it served or not; harmless when done twice."""

    def egress(self) -> Mapping[str, int]:
        """Returns what was let out so far, counted by place."""


class NoWayOut:
    """Satisfies `WayOut` with nothing: from a jail with walls nothing outside can be reached."""

    ports: tuple[int, ...] = ()
    allow_hosts: tuple[str, ...] = ()

    def environment(self) -> Mapping[str, str]:
        return {}

    async def serve(self, listeners: Listeners) -> None:
        """Nothing answers."""

    async def close(self) -> None:
        """There is nothing to give back."""

    def egress(self) -> Mapping[str, int]:
        return {}


NO_WAY_OUT = NoWayOut()
