"""The interface that both kinds of jail have: code that starts programs is written against it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.adapters.jail.wayout import WayOut
from codara.adapters.jail.weights import Home


class Jails(Protocol):
    """Starts jails, and ends those that are left when it is closed."""

    @property
    def jailed(self) -> bool:
        """False where programs run without walls, on the host's own network."""

    async def start_up(self) -> None:
        """Makes ready; JailUnavailable names the layer that is missing and the remedy."""

    def inner_home(self, home: Path) -> Path:
        """Returns the path by which the agent knows its private home."""

    async def adopt(self, path: Path) -> None:
        """Gives a folder and all it holds to the user the jails run as; links are not followed."""

    async def start(self, spec: JailSpec, way_out: WayOut) -> Jail:
        """Returns a jail whose program runs, with the log already knowing of it.

        The way out belongs to it from here on: it is closed at the jail's end, or at once where
        no jail comes of it. Raises JailUnavailable; cancelled, it leaves nothing behind.
        """

    async def memory(self) -> Mapping[Home, int]:
        """Bytes that the running jails take, by workspace and runtime."""

    async def close(self) -> None:
        """Kills what still runs and waits until it is gone; bounded."""
