"""The processes of a bubblewrap jail, as seen from the host."""

import asyncio
import contextlib
import os
import subprocess

from codara.adapters.jail import pidfds, processes

OUTER_SECONDS = 1.0


class WalledProcess:
    """bubblewrap outside, and the first process of the jail's pid namespace.

    A kill always hits the inner one: the kernel then ends all of the namespace, which killing the
    outer one during start-up does not.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", inner_pid: int) -> None:
        """ProcessLookupError when the jail has ended already."""
        self.inner_pid = inner_pid
        self._child = child
        with contextlib.ExitStack() as opened:
            self._inner = os.pidfd_open(inner_pid)
            opened.callback(os.close, self._inner)
            self._outer = os.pidfd_open(child.pid)
            opened.callback(os.close, self._outer)
            self._fds = opened.pop_all()
        self._over = False

    def kill(self) -> None:
        """SIGKILL for the namespace's first process."""
        if not self._over:
            processes.send_kill(self._inner)

    async def gone(self) -> int | None:
        """Waits until both have ended; returns what bubblewrap says of the program's end."""
        try:
            await self._first_end()
            self.kill()
            await pidfds.ended(self._inner)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OUTER_SECONDS):
                    await pidfds.ended(self._outer)
            self._child.kill()
            await pidfds.ended(self._outer)
            return _as_shells_say(self._child.wait())
        finally:
            self._over = True
            self._fds.close()

    async def _first_end(self) -> None:
        inner = asyncio.ensure_future(pidfds.ended(self._inner))
        outer = asyncio.ensure_future(pidfds.ended(self._outer))
        try:
            await asyncio.wait({inner, outer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            inner.cancel()
            outer.cancel()
            await asyncio.wait({inner, outer})


def _as_shells_say(code: int) -> int:
    return 128 - code if code < 0 else code
