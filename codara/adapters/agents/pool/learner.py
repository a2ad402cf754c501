"""Asks the CLIs what they list, beside the turns and one after the other."""

import asyncio
import logging
from collections import deque

from codara.adapters.agents.contract import ListsModels
from codara.errors import CodaraError

log = logging.getLogger(__name__)

LEARNING_SECONDS = 120.0


class Learner:
    """Asks each runtime once, and once more where that failed; its maker calls `close`."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._failed: set[str] = set()
        self._complained: set[str] = set()
        self._waiting: deque[ListsModels] = deque()
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    def want(self, runtime: object) -> None:
        """Has the runtime asked, unless it was before; never waits."""
        if isinstance(runtime, ListsModels) and runtime.name not in self._asked:
            self._asked.add(runtime.name)
            self._queue(runtime)

    def retry(self, runtime: object) -> None:
        """Has it asked a second time if the first was in vain."""
        if isinstance(runtime, ListsModels) and runtime.name in self._failed:
            self._failed.discard(runtime.name)
            self._queue(runtime)

    async def close(self) -> None:
        """Ends what is under way, with everything it started; nobody is asked any more."""
        self._closed = True
        self._waiting.clear()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    def _queue(self, runtime: ListsModels) -> None:
        if self._closed:
            return
        self._waiting.append(runtime)
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._ask(), name="model listings")

    async def _ask(self) -> None:
        while self._waiting:
            runtime = self._waiting.popleft()
            try:
                async with asyncio.timeout(LEARNING_SECONDS):
                    await runtime.learn()
            except TimeoutError:
                self._complain(runtime.name, "it took too long")
            except CodaraError as error:
                self._complain(runtime.name, error.message)
            except Exception:
                log.exception("the models of %s are not known", runtime.name)

    def _complain(self, name: str, why: str) -> None:
        if name not in self._complained:
            self._complained.add(name)
            self._failed.add(name)
            log.warning("the models of %s are not known: %s", name, why)
