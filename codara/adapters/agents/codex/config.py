"""How codex is told to be quiet and to speak to the jail's own endpoint only."""

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from codara.adapters.agents.home.programs import package_folder
from codara.adapters.agents.session.bounds import PromptBound

PROVIDER = "codara"
KEY_VARIABLE = "CODARA_JAIL_TOKEN"
CONFIG_FILE = ".codex/config.toml"
VARIABLES_FILE = ".codex/.env"
"""What stands in it counts more to codex than the variables it was started with."""
DECIDES = (
    ".codex/agents",
    ".codex/auth.json",
    ".codex/hooks",
    ".codex/hooks.json",
    ".codex/managed_config.toml",
    ".codex/models_cache.json",
    ".codex/plugins",
    ".codex/requirements.toml",
    ".codex/rules",
    ".codex/shell_snapshots",
)
"""What codex would obey in its home, besides what the gateway writes there."""
KEEPS = (".codex",)
AGENTS_FILE = "AGENTS.md"
HOME_AGENTS_FILE = ".codex/AGENTS.override.md"
"""Read before any other instructions of the home; those of a workspace codex reads only here,
as it has been told not to trust the workspace."""
DEFAULT_BASE_URL = "https://api.openai.com/v1"
LOGIN_BASE_URL = "https://chatgpt.com/backend-api/codex"
TESTED = "0.169"
"""The versions that the tests run: those which begin so."""
MODELS_ARGUMENTS = ("debug", "models")
"""Prints the models codex knows, without asking anybody."""

_REQUEST_RETRIES = 2
_IDLE_MS = 24 * 3600 * 1000
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


PROMPT_BOUND = PromptBound(most=1 << 20)
"""More text than this codex refuses: "Input exceeds the maximum length of 1048576 characters"."""


def config_toml(endpoint: str, instructions: str = "", *, folder: Path | None = None) -> str:
    """Returns the whole of `config.toml`; `instructions` are for transports that cannot send them.

    Of the workspace `folder` codex reads instructions, but no settings, hooks or rules.
    Requests are tried again, streams are not: a stream that began again would say its text twice.
    codex's own idle timer is off, as the gateway's decides.
    """
    return "\n".join(
        (
            f"model_provider = {_text(PROVIDER)}",
            "check_for_update_on_startup = false",
            *((f"developer_instructions = {_text(instructions)}",) if instructions else ()),
            "",
            f"[model_providers.{PROVIDER}]",
            f"name = {_text(PROVIDER)}",
            f"base_url = {_text(endpoint)}",
            'wire_api = "responses"',
            f"env_key = {_text(KEY_VARIABLE)}",
            f"request_max_retries = {_REQUEST_RETRIES}",
            "stream_max_retries = 0",
            f"stream_idle_timeout_ms = {_IDLE_MS}",
            "",
            *(_untrusted(folder) if folder else ()),
            "[analytics]",
            "enabled = false",
            "",
        )
    )


def _untrusted(folder: Path) -> tuple[str, ...]:
    return (f"[projects.{_text(str(folder))}]", 'trust_level = "untrusted"', "")


def environment(inner_home: Path, token: str) -> dict[str, str]:
    """Returns the variables codex needs besides the jail's own."""
    return {"CODEX_HOME": str(inner_home / ".codex"), KEY_VARIABLE: token}


def appserver_arguments() -> tuple[str, ...]:
    return ("app-server", "--disable", "plugins")


def exec_arguments(
    model: str,
    thread_id: str | None,
    pictures: Sequence[Path] = (),
    *,
    effort: str | None = None,
) -> tuple[str, ...]:
    """One turn per process; the prompt comes on standard input, pictures lie in files."""
    resume = ("resume",) if thread_id else ()
    return (
        "exec",
        *resume,
        *(word for place in pictures for word in ("-i", str(place))),
        "--disable",
        "plugins",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "-m",
        model,
        *(("-c", f"model_reasoning_effort={_text(effort)}") if effort else ()),
        *((thread_id,) if thread_id else ()),
        "-",
    )


def offered(said: str) -> dict[str, str]:
    """The models that codex shows to people, in its order; KeyError or ValueError if it said none.

    What it hides are models for its own use.
    """
    models = [each for each in json.loads(said)["models"] if each["visibility"] == "list"]
    models.sort(key=lambda each: each["priority"])
    return {str(each["slug"]): str(each.get("display_name") or "") for each in models}


def native_program(launcher: Path) -> Path | None:
    """Returns the native codex behind the node launcher of its npm package."""
    package = package_folder(launcher)
    if package is None or launcher.suffix != ".js":
        return None
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    name = f"codex-{sys.platform}-{machine}"
    beside = (package.parent / name, package / "node_modules" / "@openai" / name)
    found = (path for folder in beside for path in sorted(folder.glob("vendor/*/bin/codex")))
    return next(found, None)


def _text(value: str) -> str:
    """A TOML basic string: JSON's, which leaves only DEL as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
