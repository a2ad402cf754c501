"""Diffs in a process of their own: libgit2 holds the interpreter's lock for as long as it takes."""

import base64
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import BinaryIO

import attrs

from codara.adapters.workspaces.diff import between
from codara.adapters.workspaces.trees import TreeStore, shield_from_host_config
from codara.application.ports.workspaces import Diff
from codara.events import readable
from codara.events.workspace import FileChange

_MODULE = "codara.adapters.workspaces.bigdiff"
_SOURCES = Path(__file__).parents[3]
_MEMORY = 4 << 30
_LOOK_SECONDS = 0.05


def in_process(
    folder: Path, base: str, final: str, *, most: int, seconds: float, stop: Event
) -> Diff | None:
    """Returns the diff of two trees of the store in `folder`; None if it failed or took too long.

    Setting `stop` ends it early; the process is gone when this returns.
    """
    command = [sys.executable, "-m", _MODULE, str(folder), base, final, str(most), str(seconds)]
    with tempfile.TemporaryFile(dir=folder) as told:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": str(_SOURCES)},
        )
        if not _succeeds(process, seconds, stop):
            return None
        told.seek(0)
        return _read(told)


def _succeeds(process: "subprocess.Popen[bytes]", seconds: float, stop: Event) -> bool:
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and not stop.is_set():
            try:
                return process.wait(_LOOK_SECONDS) == 0
            except subprocess.TimeoutExpired:
                continue
        return False
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _read(told: BinaryIO) -> Diff:
    """Line by line, because parsing one large document would hold the interpreter's lock."""
    head = json.loads(told.readline())
    files = tuple(FileChange(**json.loads(line)) for line in told)
    if head["patch"] is not None:
        return Diff(files=files, patch=head["patch"], truncated=head["truncated"])
    raw = base64.b64decode(head["raw"])
    return Diff(files=files, patch=readable.patch_of(raw), raw=raw, truncated=head["truncated"])


def _tell(diff: Diff) -> Iterator[str]:
    head: dict[str, object] = {"patch": diff.patch, "truncated": diff.truncated}
    if diff.raw is not None:
        head |= {"patch": None, "raw": readable.in_base64(diff.raw)}
    yield json.dumps(head)
    for change in diff.files:
        yield json.dumps(attrs.asdict(change))


def main(folder: str, base: str, final: str, most: str, seconds: str) -> None:
    """Writes the diff to standard output, within limits that hold even if nobody waits any more."""
    limit = int(float(seconds)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    shield_from_host_config()
    for line in _tell(between(TreeStore(Path(folder)), base, final, int(most))):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
