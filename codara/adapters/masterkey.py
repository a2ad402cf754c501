"""The master key: from the environment, or from a file that is made at first start."""

import base64
import binascii
import os
from pathlib import Path

from codara.errors import MasterKeyInvalid

KEY_BYTES = 32


def parse_master_key(text: str, source: str) -> bytes:
    """Returns the 32 bytes; MasterKeyInvalid, naming `source`, if the text is anything else."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyInvalid(
            f"{source} is not base64 of exactly {KEY_BYTES} bytes; "
            "make one with: head -c 32 /dev/urandom | base64"
        )
    return key


def read_or_make(file: Path, *, may_make: bool) -> bytes:
    """The key in `file`, which is made (mode 0600, all or nothing) if it may be and is missing."""
    if not file.exists():
        if not may_make:
            raise MasterKeyInvalid(
                f"{file} is missing, but keys.db was sealed with a master key; put the file back "
                "from its backup, or set CODARA_MASTER_KEY"
            )
        _make(file)
    return parse_master_key(file.read_text("ascii", errors="replace"), str(file))


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
