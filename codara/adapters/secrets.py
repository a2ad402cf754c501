"""The operator's passkey: given by the environment, or made once and kept in `secrets/`."""

import os
import secrets
from pathlib import Path

FOLDER = "secrets"
FILE = "passkey"
TOLD = "passkey.told"


def passkey(data_dir: Path, given: str | None) -> tuple[str, bool]:
    """Returns the passkey that holds, and whether it was made here and nobody was told it yet.

    A given one is not written down. Blocking; made files are 0600 in a folder of 0700.
    """
    if given:
        return given, False
    path = data_dir / FOLDER / FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = secrets.token_urlsafe(24)
    if create_private(path, fresh):
        return fresh, True
    return path.read_text(encoding="utf-8").strip(), not (path.parent / TOLD).exists()


def mark_told(data_dir: Path) -> None:
    """Remembers that the made passkey was shown, so that it never is again."""
    create_private(data_dir / FOLDER / TOLD, "")


def create_private(path: Path, text: str) -> bool:
    """Writes a file of 0600 in one step; False if it exists already, which is then left alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    write_private(draft, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def write_private(path: Path, text: str) -> None:
    """Writes a file that never was readable by others, and flushes it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, 0o600)
        file.write(text)
        file.flush()
        os.fsync(handle)
