"""What jails tell, remembered."""

import asyncio
from typing import Any


class Journal:
    """A `JailJournal` that remembers what jails told; they start once they `may_start`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        """What happened, to which jail, and the facts, in order."""
        self.killings: list[str] = []
        """Why jails were killed."""
        self.pids: list[int] = []
        self.pid_of: dict[str, int] = {}
        """The last jail of each workspace."""
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.asked = asyncio.Event()

    async def started(self, *, jail_id: str, **facts: Any) -> None:
        self.asked.set()
        await self.may_start.wait()
        self.told.append(("started", jail_id, facts))
        self.pids.append(facts["inner_pid"])
        self.pid_of[facts["workspace_id"]] = facts["inner_pid"]

    async def exited(self, jail_id: str, *, exit_code: int | None, egress: Any) -> None:
        self.told.append(("exited", jail_id, {"exit_code": exit_code, "egress": egress}))

    async def killed(self, jail_id: str, *, reason: str) -> None:
        self.told.append(("killed", jail_id, {"reason": reason}))
        self.killings.append(reason)

    async def egress_denied(self, jail_id: str, *, host: str, port: int) -> None:
        self.told.append(("egress_denied", jail_id, {"host": host, "port": port}))

    @property
    def started_jails(self) -> int:
        return len(self.pids)

    @property
    def denied(self) -> list[tuple[str, str, int]]:
        """The ways out that were refused: which jail wanted which host and port."""
        kept = [(jail, facts) for name, jail, facts in self.told if name == "egress_denied"]
        return [(jail, facts["host"], facts["port"]) for jail, facts in kept]

    def names(self) -> list[str]:
        return [name for name, _, _ in self.told]
