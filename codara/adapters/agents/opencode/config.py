"""How opencode is told to be quiet and to speak to the jail's own endpoint only."""

import json
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.home.programs import package_folder
from codara.application.ports.agents import EFFORTS

DEFAULT_BASE_URL = "https://opencode.ai/zen/v1"
TESTED = "1.18"
"""The versions that the tests run: those which begin so."""
MODELS_ARGUMENTS = ("models",)
_SETTINGS = ("opencode.json", "opencode.jsonc")
DECIDES = (
    ".cache/opencode",
    *(
        f".config/opencode/{name}"
        for name in (
            *_SETTINGS,
            *("agent", "agents", "command", "commands", "mode", "modes", "plugin", "plugins"),
            *("bun.lock", "config", "config.json", "node_modules", "package.json", "themes"),
            *("tool", "tools", "tui.json", "tui.jsonc"),
        )
    ),
    ".local/share/opencode/auth.json",
    ".local/share/opencode/bin",
    ".local/share/opencode/mcp-auth.json",
    ".local/state/opencode",
    ".opencode",
)
"""What opencode would obey in its home; what the gateway tells it, it tells as variables."""
KEEPS = (".config/opencode", ".local/share/opencode")
INSTRUCTIONS_FILE = ".codara/instructions.md"
TALKER = "codara-talker"
"""The agent of turns that may only talk; opencode offers no tool that is denied altogether."""
BEGINS_IN = Path("/run")
SEEN_AT = Path("/workspace")
"""Where it sees a workspace with a `%` in its path, which it would decode once too often."""
"""Where its process begins: it would obey a `tsconfig.json` there, which may name code to run.

In a jail this folder is empty and nobody else's. Which workspace it works in, opencode is told.
"""
TITLE = "Codara"
"""A session without a title is given one by a second request to the model."""

_OWN_PROVIDER = "codara"
_PACKAGE = "opencode-ai"
_VARIANTS = {effort: {"reasoningEffort": effort} for effort in EFFORTS}
"""Variants of every model by effort; opencode knows those of its own models only."""
_INPUTS = {"input": ["text", "image"], "output": ["text"]}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_QUIET = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_PROJECT_CONFIG",
    "OPENCODE_PURE",
)


@attrs.frozen
class ModelName:
    """opencode's two halves of a model's name."""

    provider: str
    name: str

    @classmethod
    def of(cls, model: str) -> "ModelName":
        """``openrouter/some/model`` is `some/model` of `openrouter`; a bare name is ours."""
        provider, slash, name = model.partition("/")
        return cls(provider, name) if slash and name else cls(_OWN_PROVIDER, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


@attrs.frozen(kw_only=True)
class Way:
    """What one process is told: endpoint and key of its jail, and the models it may be asked for.

    `instructions` are files that are read to the model, by their absolute paths.
    """

    endpoint: str
    token: str = attrs.field(repr=False)
    models: tuple[str, ...]
    instructions: tuple[str, ...] = ()
    compacts: bool = True


def config_of(way: Way) -> str:
    """Returns the whole configuration as JSON.

    The workspace's own `opencode.json` is not read, so its AGENTS.md has to be named here.
    """
    first = str(ModelName.of(way.models[0]))
    providers = _providers(way)
    return json.dumps(
        {
            "autoupdate": False,
            "share": "disabled",
            "snapshot": False,
            "lsp": False,
            "formatter": False,
            "permission": "allow",
            "agent": {TALKER: {"mode": "primary", "permission": {"*": "deny"}}},
            "instructions": list(way.instructions),
            "compaction": {"auto": way.compacts},
            "model": first,
            "small_model": first,
            "enabled_providers": list(providers),
            "provider": providers,
        }
    )


def environment(config: str, password: str | None = None) -> dict[str, str]:
    """Returns the variables opencode needs besides the jail's own."""
    quiet = dict.fromkeys(_QUIET, "1")
    lock = {} if password is None else {"OPENCODE_SERVER_PASSWORD": password}
    return {**quiet, **lock, "OPENCODE_CONFIG_CONTENT": config}


def serve_arguments() -> tuple[str, ...]:
    """Returns a port of the kernel's choice: without walls, many may run on one loopback."""
    return ("serve", "--hostname", "127.0.0.1", "--port", "0")


def run_arguments(
    model: str,
    session_id: str | None,
    folder: Path,
    pictures: Sequence[Path] = (),
    *,
    toolless: bool = False,
    effort: str | None = None,
) -> tuple[str, ...]:
    """One turn per process; the prompt comes on standard input, refusals go to stderr."""
    shown = (word for place in pictures for word in ("-f", str(place)))
    resume = ("--session", session_id) if session_id else ("--title", TITLE)
    logs = ("--print-logs", "--log-level", "ERROR")
    talks = ("--agent", TALKER) if toolless else ()
    variant = ("--variant", effort) if effort else ()
    how = ("--format", "json", "--thinking", "--auto", "--dir", str(folder), *talks, *variant)
    return ("run", *logs, *how, "-m", model, *shown, *resume)


def native_program(launcher: Path) -> Path | None:
    """Returns the native opencode that its npm package would put in its launcher's place."""
    package = package_folder(launcher)
    if package is None or package.name != _PACKAGE:
        return None
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    name = f"opencode-{sys.platform}-{machine}"
    variants = (name, f"{name}-baseline") if _has_avx2() else (f"{name}-baseline", name)
    above = (package.parent, package / "node_modules")
    found = (folder / each / "bin" / "opencode" for folder in above for each in variants)
    return next((path for path in found if path.is_file()), None)


def _has_avx2() -> bool:
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _providers(way: Way) -> Mapping[str, Any]:
    providers: dict[str, Any] = {}
    for model in _each(way.models):
        block = providers.setdefault(model.provider, _provider(way))
        block["models"][model.name] = {
            "attachment": True,
            "modalities": _INPUTS,
            "variants": _VARIANTS,
        }
    return providers


def _provider(way: Way) -> dict[str, Any]:
    return {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": way.endpoint, "apiKey": way.token},
        "models": {},
    }


def _each(models: Iterable[str]) -> Iterable[ModelName]:
    return map(ModelName.of, models)
