"""The four scripted agents, as the pool runs them."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from codara.adapters.agents.registry import maker
from codara.application.ports.agents import Image
from codara.config.providers import Provider
from codara.demo.modelserver import ModelServer
from tests.agent_pool import Den, a_den_of
from tests.clis import CLIS

NAMES = ("claude", "codex", "gemini", "opencode")
TRANSPORTS = ("persistent", "process")
CAT = Image("image/png", b"\x89PNG\r\n\x1a\ncat")
DOG = Image("image/jpeg", b"\xff\xd8\xffdog")

_PATHS = {cli.name: cli.path for cli in CLIS}
_PROGRAMS = Path(__file__).parent / "programs"


def digest(picture: Image) -> str:
    """As the scripted agents say it."""
    return hashlib.sha256(picture.data).hexdigest()[:8]


def program_of(name: str) -> Path:
    """The scripted agent that speaks the protocols of this runtime."""
    return _PROGRAMS / f"fake_{name}.py"


def a_launcher(folder: Path, name: str, *options: str) -> Path:
    """A program that starts the scripted agent with these options besides its own arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    program = program_of(name)
    launcher = folder / program.name
    launcher.write_text(f'#!/bin/sh\nexec {program} "$@" {" ".join(options)}\n')
    launcher.chmod(0o755)
    return launcher


@asynccontextmanager
async def a_model_server() -> AsyncIterator[str]:
    """The address of a scripted model server."""
    runner = web.AppRunner(
        ModelServer().application(), handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_scripted_den(
    root: Path, name: str, *options: str, walls: bool = False, **settings: Any
) -> AsyncIterator[Den]:
    """A pool with one scripted agent alone; it fails where something goes on behind the end."""
    program = a_launcher(root / "bin", name, *options) if options else program_of(name)
    async with a_model_server() as address:
        base_url = address + _PATHS[name]
        provider = Provider(**{"binary": str(program), "base_url": base_url, **settings})
        make = maker(name)
        async with a_den_of(root, lambda house: make(provider, house), walls=walls) as den:
            yield den
    assert at_work(root) == []


def at_work(root: Path) -> list[str]:
    """The command lines of all processes that work below a folder, or name it."""
    found = (_line_at_work(process, str(root)) for process in Path("/proc").glob("[0-9]*"))
    return [line for line in found if line]


def stubborn(root: Path) -> list[str]:
    """The children of agents in this folder that ignore signals and were not ended."""
    return [line for line in at_work(root) if "trap ''" in line]


def _line_at_work(process: Path, root: str) -> str:
    try:
        line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        folder = str((process / "cwd").readlink())
    except OSError:
        return ""
    return line if folder.startswith(root) or root in line else ""
