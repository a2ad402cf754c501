"""How codex is told to talk only: without tools of any kind.

Most tools are features that can be switched off. The others belong to a model: what codex itself
knows of its models is given back to it without them.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.home.programs import Program
from codara.adapters.agents.launch import Launch
from codara.adapters.agents.session.answers import ODD
from codara.errors import AgentFailed

log = logging.getLogger(__name__)

CATALOGUE_FILE = ".codex/talking-models.json"

_FEATURES = (
    "apps",
    "code_mode",
    "code_mode_only",
    "goals",
    "image_generation",
    "multi_agent",
    "multi_agent_v2",
    "shell_tool",
    "sleep_tool",
    "tool_suggest",
    "unified_exec",
    "view_image",
)
_TOOLS_OF_A_MODEL = (
    "apply_patch_tool_type",
    "multi_agent_reasoning_effort",
    "multi_agent_version",
    "tool_mode",
)
"""What a model is asked to work with; where it stands, no feature switches it off."""


def talking_arguments(catalogue: Path | None) -> tuple[str, ...]:
    """Returns what stands before the command of a process without tools.

    `catalogue` is where the agent sees the file of `catalogue_of`; without it a model may keep what
    only its entry there could take from it.
    """
    settings = (
        'web_search="disabled"',
        "agents.enabled=false",
        "tools.experimental_request_user_input.enabled=false",
        *(f"features.{name}=false" for name in _FEATURES),
        *((f"model_catalog_json={json.dumps(str(catalogue))}",) if catalogue else ()),
    )
    return tuple(word for setting in settings for word in ("-c", setting))


def catalogue_of(said: str) -> str:
    """Returns the file for what codex says of its models; raises one of `ODD` if it is odd."""
    models = [_talking(each) for each in json.loads(said)["models"]]
    return json.dumps({"models": models})


def _talking(model: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in model.items() if name not in _TOOLS_OF_A_MODEL}
    return kept | {"shell_type": "disabled", "experimental_supported_tools": []}


class Catalogue:
    """The file of `catalogue_of`, asked for once for each program; `said` asks for it."""

    def __init__(self, said: Callable[[], Awaitable[str]]) -> None:
        self._said = said
        self._asking = asyncio.Lock()
        self._known: tuple[object, str] = (None, "")

    async def of(self, program: Program) -> str:
        """Its text; empty where codex says nothing of its models, or nothing that makes sense."""
        async with self._asking:
            version = await asyncio.to_thread(_version, program)
            if self._known[0] != version:
                self._known = version, await self._asked()
            return self._known[1]

    async def _asked(self) -> str:
        try:
            return catalogue_of(await self._said())
        except (AgentFailed, *ODD) as error:
            log.warning(
                "codex cannot be told to talk only: it keeps tools of its models: %r", error
            )
            return ""


def talking_only(catalogue: str, inside: Path, launch: Launch) -> Launch:
    """Returns the launch without tools, in a home that the agent sees at `inside`."""
    files = {CATALOGUE_FILE: catalogue} if catalogue else {}
    arguments = talking_arguments(inside / CATALOGUE_FILE if catalogue else None)
    return attrs.evolve(
        launch, arguments=(*arguments, *launch.arguments), files={**launch.files, **files}
    )


def _version(program: Program) -> object:
    """What changes when another program takes the place of this one."""
    found = program.path.stat()
    return program.path, found.st_mtime_ns, found.st_size
