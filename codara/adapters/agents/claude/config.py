"""How claude is told to be quiet and to speak to the jail's own endpoint only."""

import json
import platform
import sys
from pathlib import Path

from codara.adapters.agents.home.programs import package_folder
from codara.application.ports.agents import Fork

CONFIG_FOLDER = ".claude"
INSTRUCTIONS_FILE = f"{CONFIG_FOLDER}/instructions.md"
STATE_FILE = f"{CONFIG_FOLDER}/.claude.json"
"""claude's notes on itself, which may also name variables and programs to start."""
NO_STATE = "{}"
DECIDES = (
    ".claude.json",
    *(
        f"{CONFIG_FOLDER}/{name}"
        for name in (
            ".credentials.json",
            "agents",
            "commands",
            "hooks",
            "keybindings.json",
            "managed-mcp.json",
            "managed-settings.json",
            "output-styles",
            "plugins",
            "policy-limits.json",
            "remote-settings.json",
            "settings.json",
            "settings.local.json",
            "shell-snapshots",
        )
    ),
)
"""What claude would obey in its home, besides what the gateway writes there."""
KEEPS = (CONFIG_FOLDER,)
DEFAULT_BASE_URL = "https://api.anthropic.com"
TESTED = "2.1"
"""The versions that the tests run: those which begin so."""
ALIASES = ("sonnet", "opus", "haiku")
"""Names claude itself resolves to the newest model of a kind; known before it was ever asked."""
EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
"""What `--effort` takes."""

_KEY_VARIABLE = "ANTHROPIC_API_KEY"
_LOGIN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"
"""With this one in its place claude speaks as a login does."""
_REQUEST_RETRIES = 2
_INTERRUPTED = "[The turn was interrupted here.]"
_STUB_BYTES = 4096
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
)
_HONEST = (
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
    "CLAUDE_CODE_DISABLE_CRON",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK",
)
_MEMORY = "CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD"
"""With it the CLAUDE.md of folders that are added is read."""
_NO_SETTINGS = ""
"""The kinds of settings files that are read: neither the workspace's nor the home's."""
_NO_TOOLS = ""
"""The tools of a process that may only talk; none of an MCP server's are there in any case."""


def environment(
    inner_home: Path, endpoint: str, token: str, *, on_login: bool = False
) -> dict[str, str]:
    """Returns the variables claude needs besides the jail's own.

    Without them a stream that breaks is asked for again in one piece, unseen, and what was said of
    it already is said twice; timers start turns that nobody asked for; and behind a turn that was
    cut short the next one is told to continue it. IS_SANDBOX matters only where there is no jail
    and the gateway is root.
    """
    return {
        _LOGIN_VARIABLE if on_login else _KEY_VARIABLE: token,
        "CLAUDE_CONFIG_DIR": str(inner_home / CONFIG_FOLDER),
        "IS_SANDBOX": "1",
        **_settled(endpoint),
    }


def settings_json(endpoint: str) -> str:
    """Settings that no file overrules; there is no secret in them, as they are on a command line.

    A hook would start a program that nobody hears of.
    """
    return json.dumps({"disableAllHooks": True, "env": _settled(endpoint)})


def _settled(endpoint: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": endpoint,
        "CLAUDE_CODE_MAX_RETRIES": str(_REQUEST_RETRIES),
        "CLAUDE_CODE_RESUME_PROMPT": _INTERRUPTED,
        **dict.fromkeys((*_QUIET, *_HONEST, _MEMORY), "1"),
    }


def arguments(
    *,
    model: str,
    thread_id: str,
    resume: bool,
    fork: Fork | None = None,
    instructions: Path | None,
    toolless: bool = False,
    effort: str | None = None,
    closed: tuple[str, ...],
) -> tuple[str, ...]:
    """Returns a process for one thread, for as many prompts as come on standard input.

    The thread is resumed or new, and if it is new, with a `fork` it is a copy.
    `instructions` is the file, as the agent sees it, that is added to the system prompt. `closed`
    is what `closed_arguments` gives.
    """
    return (
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        "--dangerously-skip-permissions",
        *closed,
        *("--input-format", "stream-json"),
        *("--model", model),
        *(("--tools", _NO_TOOLS) if toolless else ()),
        *(("--effort", effort) if effort else ()),
        *(_copying(fork) if fork else ()),
        *("--resume" if resume else "--session-id", thread_id),
        *(("--append-system-prompt-file", str(instructions)) if instructions else ()),
    )


def _copying(fork: Fork) -> tuple[str, ...]:
    """The new thread is a copy; it is written down with its first turn."""
    return (
        *("--resume", fork.backend_id),
        "--fork-session",
        *("--resume-session-at", fork.mark),
    )


def closed_arguments(endpoint: str, workspace: Path) -> tuple[str, ...]:
    """Nothing that lies in the workspace or the home changes a setting or starts a program.

    Of the workspace claude reads its memory, `CLAUDE.md`.
    """
    return (
        *("--setting-sources", _NO_SETTINGS),
        "--strict-mcp-config",
        *("--settings", settings_json(endpoint)),
        *("--add-dir", str(workspace)),
    )


def native_program(launcher: Path) -> Path | None:
    """Returns the native claude behind the launcher of its npm package.

    Where the package's installation put the program in the launcher's place, that is the program.
    """
    package = package_folder(launcher)
    if package is None or package.name != "claude-code":
        return None
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    names = [f"claude-code-{sys.platform}-{machine}{libc}" for libc in ("", "-musl")]
    folders = (package.parent, package / "node_modules" / "@anthropic-ai")
    places = [folder / name / "claude" for folder in folders for name in names]
    found = next((place for place in places if place.is_file()), None)
    if found is None and launcher.stat().st_size < _STUB_BYTES:
        return places[0]
    return found
