"""`gateway.json`: where the running gateway is found, and the token its own commands use."""

import json
import os
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.jail.processes import start_time
from codara.adapters.secrets import write_private

FILE = "gateway.json"


@attrs.frozen(kw_only=True)
class RunningGateway:
    """A gateway that runs now, by process id and start time."""

    address: str
    token: str = attrs.field(repr=False)
    pid: int
    start_time: int


def write(data_dir: Path, address: str, token: str) -> RunningGateway:
    """Says that this process serves `address` (``http://host:port``); the file is 0600."""
    pid = os.getpid()
    running = RunningGateway(address=address, token=token, pid=pid, start_time=start_time(pid) or 0)
    draft = data_dir / f".{FILE}.{pid}"
    write_private(draft, json.dumps(attrs.asdict(running)))
    draft.replace(data_dir / FILE)
    return running


def read(data_dir: Path) -> RunningGateway | None:
    """The gateway of this data folder, None if none runs; a file left behind is ignored."""
    try:
        said: dict[str, Any] = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
        running = RunningGateway(**said)
    except (OSError, ValueError, TypeError):
        return None
    return running if start_time(running.pid) == running.start_time else None


def remove(data_dir: Path) -> None:
    """Takes the file away if it is this process's own."""
    running = read(data_dir)
    if running is not None and running.pid == os.getpid():
        (data_dir / FILE).unlink(missing_ok=True)
