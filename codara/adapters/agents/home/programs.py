"""Finding an agent's program, and what of the disk a jail needs to run it."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from codara.errors import AgentFailed, AgentMissing

REMEDY = "install it with `npm install --no-save --prefix agents`"
"""What to do where an agent's program is missing."""

_USR = Path("/usr")
_SHEBANG_BYTES = 256
_VERSION_SECONDS = 10.0

Follow = Callable[[Path], Path | None]
"""From a launcher's real path to the native program behind it; None if it is no such launcher."""


@attrs.frozen
class Program:
    """An executable, and the folders a jail has to bind read-only so that it runs.

    `before` are the words in front of it, where it is a script that an interpreter runs.
    """

    path: Path
    folders: tuple[Path, ...]
    before: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """How it is started."""
        return (*self.before, str(self.path))


def project_folders() -> tuple[Path, ...]:
    """Returns where npm puts programs of a checkout or of the present folder."""
    checkout = Path(__file__).resolve().parents[4]
    here = Path.cwd()
    bases = (here / "agents", here, checkout / "agents")
    return tuple(dict.fromkeys(base / "node_modules" / ".bin" for base in bases))


def find_program(
    binary: str, *, setting: str, remedy: str, follow: Follow, places: Sequence[Path]
) -> Program:
    """Returns the program a setting names: a path, a name on PATH, or one of `places`.

    Raises AgentMissing with the remedy where it is missing or not executable. Touches the disk.
    """
    named = _named(binary, places)
    if named is None:
        raise AgentMissing(f"{binary!r} was not found: {remedy}, or set {setting}")
    real = named.resolve()
    native = follow(real) or real
    if not native.is_file() or not os.access(native, os.X_OK):
        raise AgentMissing(f"{native} is not an executable file: {remedy}, or set {setting}")
    return Program(native, tuple(_folders(native)))


async def version_of(program: Program) -> str:
    """Returns what its npm package says, else the first line of ``--version``.

    AgentFailed if it gives none within 10 s.
    """
    if packaged := await asyncio.to_thread(_packaged, program.path):
        return packaged
    try:
        child = await asyncio.create_subprocess_exec(
            *program.words,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8"},
        )
    except OSError as error:
        raise AgentFailed(f"{program.path} cannot be started: {error.strerror}") from error
    try:
        out, _ = await asyncio.wait_for(child.communicate(), _VERSION_SECONDS)
    except TimeoutError:
        raise AgentFailed(f"{program.path} --version did not answer") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    lines = out.decode("utf-8", "replace").splitlines()
    if child.returncode != 0 or not lines:
        raise AgentFailed(f"{program.path} --version failed (exit code {child.returncode})")
    return lines[0].strip()


def package_folder(path: Path) -> Path | None:
    """Returns the innermost folder around `path` that is an npm package."""
    return next((folder for folder in path.parents if (folder / "package.json").is_file()), None)


def _packaged(native: Path) -> str:
    """Returns the version of the npm package around a program; empty outside of a package."""
    package = package_folder(native) if "node_modules" in native.parts else None
    if package is None:
        return ""
    try:
        found = json.loads((package / "package.json").read_text(encoding="utf-8"))
        return str(found.get("version", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _named(binary: str, places: Sequence[Path]) -> Path | None:
    if os.sep in binary:
        path = Path(binary).expanduser()
        return path if path.exists() else None
    on_path = shutil.which(binary)
    if on_path is not None:
        return Path(on_path)
    found = (folder / binary for folder in places)
    return next((path for path in found if path.exists()), None)


def _folders(native: Path) -> list[Path]:
    package = package_folder(native) if "node_modules" in native.parts else None
    needed = [package or native.parent] if not native.is_relative_to(_USR) else []
    interpreter = _interpreter(native)
    if interpreter is not None and not interpreter.is_relative_to(_USR):
        needed.append(interpreter.parent.parent)
    return needed


def _interpreter(native: Path) -> Path | None:
    with native.open("rb") as file:
        head = file.read(_SHEBANG_BYTES)
    if not head.startswith(b"#!"):
        return None
    words = head.split(b"\n", 1)[0][2:].split()
    if not words or words[0] == b"/usr/bin/env":
        return None
    return Path(os.fsdecode(words[0])).resolve()
