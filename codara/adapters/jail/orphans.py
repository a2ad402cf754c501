"""Ends the jails that a gateway was still making when it died; run as a program of its own.

A jail that stands ends with its gateway by itself (`--die-with-parent`). One that is killed before
bubblewrap has made its first process leaves a stub that waits for ever, and no later gateway may
come to sweep it.
"""

import subprocess
import sys
import time
from pathlib import Path

from codara.adapters.jail import marks

ROOT = Path(__file__).parents[3]
QUIET_SECONDS = 1.0
"""After this long without an orphan (seconds) no more will come: a fork takes milliseconds."""
LONGEST_SECONDS = 15.0
LOOK_SECONDS = 0.05
END_SECONDS = 10.0


class OrphanWatch:
    """A small process beside the gateway that outlives it by a moment.

    It sleeps until the pipe that the gateway holds is closed, by whatever end of the gateway.
    """

    def __init__(self) -> None:
        """Starts it; OSError. Blocks for some milliseconds."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": str(ROOT)},
            cwd="/",
            start_new_session=True,
        )

    def close(self) -> None:
        """Ends it without a look: every jail of its gateway has ended. Blocks for some ms."""
        self._process.kill()
        self._process.wait(END_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()


def main() -> None:
    """Waits for the gateway's end, then kills what bears the mark of one that is gone."""
    sys.stdin.buffer.read()
    quiet_since = time.monotonic()
    give_up = quiet_since + LONGEST_SECONDS
    while quiet_since + QUIET_SECONDS > (now := time.monotonic()) and now < give_up:
        if marks.end_orphans(END_SECONDS):
            quiet_since = time.monotonic()
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
