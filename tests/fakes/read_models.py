"""Read models that say what the test says."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs


@attrs.define
class FakeFeed:
    """Read models that are up to date, or that are behind until somebody waits for them."""

    behind: Callable[[], None] | None = None

    def position(self) -> int:
        return -1 if self.behind else 1_000_000

    async def wait_for(self, position: int, seconds: float) -> bool:
        catch_up, self.behind = self.behind, None
        if catch_up:
            catch_up()
        return True


@attrs.define
class NothingFolded:
    """Read models that hold no point yet: whoever looks for one finds it in memory."""

    def position(self) -> int:
        return 0

    async def wait_for(self, position: int, seconds: float) -> bool:
        return False

    async def of_digests(self, digests: Sequence[str], **of: str) -> Sequence[Any]:
        return []

    async def of_tail(self, tail: str, **of: str) -> Sequence[Any]:
        return []

    async def of_session(self, session_id: str, digests: Sequence[str], **of: str) -> Sequence[Any]:
        return []
