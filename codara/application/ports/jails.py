"""Jails: what becomes of them, and who ends those that are left."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class JailJournal(Protocol):
    """Where jails write what becomes of them; the application turns it into events."""

    async def started(
        self,
        *,
        jail_id: str,
        workspace_id: str,
        runtime: str,
        inner_pid: int,
        start_time: int,
        boot_id: str,
        policy: str,
        limits: Sequence[str],
        jailed: bool,
    ) -> None:
        """Before the agent's first instruction runs; the jail waits for the log."""

    async def exited(
        self, jail_id: str, *, exit_code: int | None, egress: Mapping[str, int]
    ) -> None:
        """The jail's last process is gone."""

    async def killed(self, jail_id: str, *, reason: str) -> None:
        """We ended it."""

    async def egress_denied(self, jail_id: str, *, host: str, port: int) -> None:
        """It asked for a connection it may not make."""


class LeftJail(Protocol):
    """A jail that the log believes to be running."""

    @property
    def jail_id(self) -> str: ...

    @property
    def inner_pid(self) -> int: ...

    @property
    def start_time(self) -> int: ...

    @property
    def boot_id(self) -> str: ...


class JailSweeper(Protocol):
    """Ends what a gateway left behind."""

    async def sweep(self, jails: Sequence[LeftJail]) -> Sequence[str]:
        """Kills those of `jails` that still run, waits until they are gone, and names them."""
