"""Waiting on the event loop for the end of a process."""

import asyncio


async def ended(pidfd: int) -> None:
    """Returns when the process of a pidfd has ended; the descriptor stays the caller's.

    The end of a pid namespace's first process means the end of all others in it.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    loop.add_reader(pidfd, finish)
    try:
        await done
    finally:
        loop.remove_reader(pidfd)
