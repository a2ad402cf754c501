"""Spools in memory."""

import attrs


@attrs.define
class FakeSpool:
    """Spools in memory."""

    kept: dict[str, list[bytes]] = attrs.field(factory=dict)

    def open(self, turn_id: str) -> "FakeSpoolFile":
        return FakeSpoolFile(self, turn_id)

    async def read(self, turn_id: str) -> bytes:
        return b"\n".join(self.kept.get(turn_id, []))

    async def remove(self, turn_id: str) -> None:
        self.kept.pop(turn_id, None)


@attrs.frozen
class FakeSpoolFile:
    spool: FakeSpool
    turn_id: str

    def write(self, line: bytes) -> None:
        self.spool.kept.setdefault(self.turn_id, []).append(line)

    async def close(self) -> bytes:
        return await self.spool.read(self.turn_id)

    def remove(self) -> None:
        self.spool.kept.pop(self.turn_id, None)
