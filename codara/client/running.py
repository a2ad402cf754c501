"""`gateway.json`: where the running gateway is found, and the token its own commands use."""

import json
import os
from pathlib import Path
from typing import Any

import attrs

FILE = "gateway.json"


@attrs.frozen(kw_only=True)
class RunningGateway:
    """A gateway that runs now, by process id and start time (clock ticks since boot)."""

    address: str
    token: str = attrs.field(repr=False)
    pid: int
    start_time: int


def write(data_dir: Path, address: str, token: str) -> RunningGateway:
    """Says that this process serves `address` (``http://host:port``); the file is 0600."""
    pid = os.getpid()
    running = RunningGateway(
        address=address, token=token, pid=pid, start_time=_start_time(pid) or 0
    )
    draft = data_dir / f".{FILE}.{pid}"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(json.dumps(attrs.asdict(running)), encoding="utf-8")
    draft.replace(data_dir / FILE)
    return running


def read(data_dir: Path) -> RunningGateway | None:
    """Finds the gateway of this data folder, None if none runs; a file left behind is ignored."""
    try:
        said: dict[str, Any] = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
        running = RunningGateway(**said)
    except (OSError, ValueError, TypeError):
        return None
    return running if _start_time(running.pid) == running.start_time else None


def remove(data_dir: Path) -> None:
    """Takes the file away if it is this process's own."""
    running = read(data_dir)
    if running is not None and running.pid == os.getpid():
        (data_dir / FILE).unlink(missing_ok=True)


def _start_time(pid: int) -> int | None:
    """Tells when a process began; None once it is gone or a zombie.

    The jail has a function like it: a client of the gateway knows no adapter.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
