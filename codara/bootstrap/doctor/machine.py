"""What `codara doctor` looks at of the machine, the data folder and the pool."""

import errno
import os
import platform
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from codara.bootstrap.descriptors import hard_limit, shared
from codara.bootstrap.doctor.findings import FAIL, OK, WARN, Check, Pool, Row
from codara.client import running as gateways
from codara.config.fields import GIB
from codara.config.load import Loaded
from codara.config.settings import ServerSettings, Settings

LEAST_ROOM = 1 * GIB
_MORE_FILES = "raise the hard limit: `ulimit -Hn`, or LimitNOFILE= of the systemd unit"


def python() -> Check:
    """Returns the Python that runs us; an older one than 3.11 would not have come this far."""
    return Check("python", OK, platform.python_version())


def data_folder(folder: Path) -> Check:
    """The data folder, or the nearest folder above it that exists, can be written and has room."""
    name, place = "data folder", folder
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(name, FAIL, f"{place} cannot be written", "chown it, or set server.data_dir")
    free = shutil.disk_usage(place).free
    detail = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LEAST_ROOM:
        return Check(name, WARN, detail, "make room: with a full disk writes stop")
    return Check(name, OK, detail)


def master_key(found: Loaded) -> Check:
    """Returns where the master key comes from."""
    if found.master_key:
        return Check("master key", OK, "given by the environment")
    kept = found.settings.server.data_dir / "secrets" / "master.key"
    if kept.exists():
        return Check("master key", OK, f"kept in {kept}")
    return Check("master key", OK, f"will be made at first start and kept in {kept}")


def address(server: ServerSettings) -> Check:
    """Returns the gateway's own address: free, or served by this data folder's gateway."""
    running = gateways.read(server.data_dir)
    if running is not None:
        return Check("address", OK, f"the gateway runs at {running.address}")
    where = f"{server.host}:{server.port}"
    try:
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((server.host, server.port))
    except OSError as broken:
        if broken.errno == errno.EADDRINUSE:
            remedy = "stop the other program, or set server.port or --port"
            return Check("address", FAIL, f"{where} is in use", remedy)
        return Check("address", FAIL, f"{where}: {broken.strerror}", "set server.host")
    return Check("address", OK, f"{where} is free")


def open_files(settings: Settings) -> Check:
    """Says what the limit of open files comes to: too few for a start, or for all connections."""
    name, share = "open files", shared(settings, hard_limit())
    if share.refusal:
        return Check(name, FAIL, f"{share.limit}, and {share.least} are needed", _MORE_FILES)
    wanted, detail = settings.server.max_connections, f"{share.limit}"
    if share.connections < wanted:
        detail += f", enough for {share.connections} of {wanted} connections"
        return Check(name, WARN, detail, f"{_MORE_FILES}, or lower server.max_connections")
    return Check(name, OK, f"{detail}, enough for {share.connections} connections")


def accounts(known: Pool) -> Check:
    """Says whether there is an account to work on."""
    ready = [row for row in known.rows if row["status"] == "ready"]
    if known.trouble:
        return Check("accounts", FAIL, known.trouble, "see above")
    if not known.rows:
        remedy = "codara account add --id NAME --provider codex --credential-file FILE"
        return Check("accounts", WARN, known.nothing, remedy)
    if not ready:
        return Check("accounts", WARN, f"none of {len(known.rows)} is ready", "codara account list")
    detail = f"{len(ready)} of {len(known.rows)} ready: {_providers(ready)}"
    return Check("accounts", OK, detail)


def _providers(rows: Sequence[Row]) -> str:
    return ", ".join(sorted({str(row["provider"]) for row in rows}))
