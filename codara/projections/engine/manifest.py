"""Which file of `views/` is each read model's current one: replaced by rename, never edited."""

import os
from pathlib import Path

import orjson

NAME = "manifest.json"


def load(folder: Path) -> dict[str, str]:
    """File by read model, relative to `folder`; empty if there is no readable manifest."""
    try:
        found = orjson.loads((folder / NAME).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: file for name, file in found.items() if _inside(name, file)}


def save(folder: Path, files: dict[str, str]) -> None:
    """Makes `files` the current ones at one stroke."""
    fresh = folder / f"{NAME}.new"
    with fresh.open("wb") as file:
        file.write(orjson.dumps(files, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / NAME)


def next_file(folder: Path, name: str, version: int) -> str:
    """Returns a file name no generation of the read model has used yet."""
    used = [_generation(path) for path in (folder / name).glob("*.db*")]
    return f"{name}/{version}-{max(used, default=0) + 1}.db"


def is_version(file: str, version: int) -> bool:
    """Says whether the file was made by this version of its read model."""
    return Path(file).name.split("-", 1)[0] == str(version)


def remove(folder: Path, file: str) -> None:
    """Deletes a database and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"{file}{suffix}").unlink(missing_ok=True)


def sweep(folder: Path, files: dict[str, str]) -> None:
    """Deletes every generation of these read models that is not current."""
    for name, current in files.items():
        for path in (folder / name).glob("*.db*"):
            file = f"{name}/{path.name.split('.db', 1)[0]}.db"
            if file != current:
                remove(folder, file)


def _inside(name: object, file: object) -> bool:
    return isinstance(name, str) and isinstance(file, str) and Path(file).parent == Path(name)


def _generation(path: Path) -> int:
    digits = path.name.split(".db", 1)[0].partition("-")[2]
    return int(digits) if digits.isdigit() else 0
