"""The command line: reads the arguments, runs one command, turns its end into an exit code."""

import argparse
import os
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from codara.cli import account, config, demo, doctor, serve, session, task, trace, user, version
from codara.cli.arguments import with_config
from codara.errors import CodaraError

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
_GROUPS = (serve, demo, doctor, version, config, account, user, session, task, trace)


def parser() -> argparse.ArgumentParser:
    """Returns every command there is."""
    whole = with_config(
        argparse.ArgumentParser(
            prog="codara",
            description="OpenAI's API in front, coding agents in jails behind, one log of facts.",
        )
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in _GROUPS:
        module.add(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."""
    given = parser().parse_args(arguments)
    try:
        return _code(given.run(given))
    except CodaraError as refused:
        return _failed(refused.message)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as defect:
        if os.environ.get("CODARA_DEBUG"):
            raise
        return _failed(f"{type(defect).__name__}: {defect} (CODARA_DEBUG=1 shows where)")


def _code(ended: int | Coroutine[Any, Any, int]) -> int:
    """The exit code of a command; one that awaits something runs in a loop of its own."""
    if isinstance(ended, int):
        return ended
    import asyncio

    import uvloop

    try:
        return int(uvloop.run(ended))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _failed(message: str) -> int:
    print(f"codara: {' '.join(message.split())}", file=sys.stderr)
    return FAILED
