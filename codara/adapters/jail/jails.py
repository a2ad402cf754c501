"""The interface both kinds of jail have: what the agents' adapters are written against."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from codara.adapters.egress.doors import Doors
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.adapters.jail.weights import Home


class Jails(Protocol):
    """Starts jails, and ends those that are left when it is closed."""

    @property
    def jailed(self) -> bool:
        """False where agents run without walls."""

    async def start_up(self) -> None:
        """Makes ready; JailUnavailable names the layer that is missing and the remedy."""

    def open_doors(self) -> Doors:
        """Addresses and token for a jail to come, so that its files and variables can name them."""

    def inner_home(self, home: Path) -> Path:
        """The path by which the agent knows its private home."""

    async def adopt(self, path: Path) -> None:
        """Gives a folder and all it holds to the user the jails run as; links are not followed."""

    async def start(self, spec: JailSpec, doors: Doors) -> Jail:
        """A jail whose program runs, with the log already knowing of it.

        The doors belong to the jail from here on, whatever happens. Raises JailUnavailable;
        cancelled, it leaves nothing behind.
        """

    async def memory(self) -> Mapping[Home, int]:
        """Bytes that the running jails take, by workspace and runtime."""

    async def close(self) -> None:
        """Kills what still runs and waits until it is gone; bounded."""
