"""Whether a gateway ever kept anything in a data folder, by the names of its files alone."""

from pathlib import Path

KEYS_FILE = "keys.db"
_MADE = ("trees", "homes", "views", "spool")
"""Folders in which a gateway puts nothing before it has a log."""


def filled(data_dir: Path) -> tuple[str, ...]:
    """Returns the names of the folders that hold something of a gateway. Blocks."""
    folders = ((name, data_dir / name) for name in _MADE)
    return tuple(name for name, at in folders if at.is_dir() and any(at.iterdir()))


def is_untouched(data_dir: Path, log_path: Path) -> bool:
    """Tells whether neither a log nor a vault nor anything beside them is there. Blocks."""
    there = log_path.exists() or (data_dir / KEYS_FILE).exists()
    return not there and not filled(data_dir)
