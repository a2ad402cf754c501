"""What becomes of jails, written to the log."""

from collections.abc import Mapping, Sequence

import attrs

from codara.application.deciding import Deciding
from codara.events import streams
from codara.events.base import Cause, Event
from codara.events.jail import EgressDenied, JailExited, JailKilled, JailStarted


@attrs.frozen(kw_only=True)
class JailRecords:
    """Writes to the log what becomes of jails; satisfies `ports.JailJournal`."""

    deciding: Deciding
    cause: Cause

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
        """Records that a jail exists; durable before the first instruction in it runs."""
        started = JailStarted(
            jail_id=jail_id,
            workspace_id=workspace_id,
            runtime=runtime,
            inner_pid=inner_pid,
            start_time=start_time,
            boot_id=boot_id,
            policy=policy,
            limits=tuple(limits),
            jailed=jailed,
        )
        await self._write(jail_id, started)

    async def exited(
        self, jail_id: str, *, exit_code: int | None, egress: Mapping[str, int]
    ) -> None:
        """Records that the jail's last process is gone."""
        exited = JailExited(jail_id=jail_id, exit_code=exit_code, egress=dict(egress))
        await self._write(jail_id, exited)

    async def killed(self, jail_id: str, *, reason: str) -> None:
        """Records that the gateway ended the jail."""
        await self._write(jail_id, JailKilled(jail_id=jail_id, reason=reason))

    async def egress_denied(self, jail_id: str, *, host: str, port: int) -> None:
        """Records that the jail asked for a connection that it may not make."""
        await self._write(jail_id, EgressDenied(jail_id=jail_id, host=host, port=port))

    async def _write(self, jail_id: str, event: Event) -> None:
        stream = streams.jail(jail_id)
        await self.deciding.note(stream, [event], self.cause)
