"""Marks: the installation's id in a file of each folder that belongs to it."""

import os
from pathlib import Path

from codara.adapters.secrets import write_private

MARKED = ("trees", "homes")
FILE = ".installation"


def mark_of(folder: Path) -> str | None:
    """Returns the id of the installation that a folder belongs to; None if it bears none."""
    try:
        return (folder / FILE).read_text(encoding="utf-8", errors="replace").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def mark(folder: Path, log_id: str) -> None:
    """Has a folder bear the id; the folder is made if it is missing. Blocks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{FILE}.{os.getpid()}"
    write_private(draft, f"{log_id}\n")
    draft.replace(folder / FILE)


def mark_all(data_dir: Path, log_id: str) -> None:
    """Has every folder of the installation bear the id. Blocks."""
    for name in MARKED:
        mark(data_dir / name, log_id)
