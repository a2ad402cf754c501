"""Jails: what becomes of them, and how leftover ones are ended."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class JailJournal(Protocol):
    """Takes down what becomes of jails; the application makes events of it."""

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
        """Records a jail before the first instruction in it runs; the jail waits for the log."""

    async def exited(
        self, jail_id: str, *, exit_code: int | None, egress: Mapping[str, int]
    ) -> None:
        """Records that the jail's last process is gone."""

    async def killed(self, jail_id: str, *, reason: str) -> None:
        """Records that the gateway ended the jail."""

    async def egress_denied(self, jail_id: str, *, host: str, port: int) -> None:
        """Records that the jail asked for a connection that it may not make."""


class LeftJail(Protocol):
    """A jail that runs, according to the log."""

    @property
    def jail_id(self) -> str: ...

    @property
    def inner_pid(self) -> int: ...

    @property
    def start_time(self) -> int: ...

    @property
    def boot_id(self) -> str: ...


class JailSweeper(Protocol):
    """Ends the jails that an earlier gateway left behind."""

    async def sweep(self, jails: Sequence[LeftJail]) -> Sequence[str]:
        """Kills those of `jails` that still run, waits until they are gone; returns their ids."""
