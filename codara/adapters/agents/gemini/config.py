"""How gemini is told to be quiet and to speak to the jail's own endpoint only."""

import json
from collections.abc import Sequence
from pathlib import Path

from codara.adapters.agents.session.bounds import PromptBound, in_bytes

SETTINGS_FILE = ".gemini/settings.json"
INSTRUCTIONS_FILE = ".gemini/CODARA.md"
DECIDES = (
    ".gemini/.env",
    ".gemini/acknowledgments",
    ".gemini/agents",
    ".gemini/commands",
    ".gemini/extensions",
    ".gemini/google_accounts.json",
    ".gemini/hooks",
    ".gemini/mcp-oauth-tokens.json",
    ".gemini/mcp-server-enablement.json",
    ".gemini/oauth_creds.json",
    ".gemini/policies",
    ".gemini/system-defaults.json",
    ".gemini/system.md",
    ".gemini/trustedFolders.json",
    ".gemini/trusted_hooks.json",
)
"""What gemini would obey in its home, besides what the gateway writes there."""
KEEPS = (".gemini",)
INPUT_BOUND = PromptBound(most=8 << 20, unit="bytes", measure=in_bytes)
"""What gemini reads of its standard input (`MAX_STDIN_SIZE`); it drops the rest and goes on."""
DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"
LOGIN_BASE_URL = "https://cloudcode-pa.googleapis.com"
TESTED = "0.61"
"""The versions that the tests run: those which begin so."""

_KEY, _LOGIN = "gemini-api-key", "oauth-personal"
_ATTEMPTS = 2
_HARMLESS = "list_background_processes"
"""The one tool of a turn that may only talk: it lists what only a tool could have started.

Without any, gemini sends a list of tools that is empty, which Google has been seen to refuse
(400, "tools[0].tool_type: required one_of 'tool_type' must have one initialized field").
"""
_AS_TEXT = "The message:\n"
_QUIET = ("--skip-trust", "--approval-mode", "yolo", "-m")


def settings_json(
    *, on_login: bool = False, readable: Sequence[Path] = (), toolless: bool = False
) -> str:
    """The whole of `settings.json`; as the system's settings too, no workspace overrules it.

    A failed request is tried once more. Old sessions are never tidied up: gemini would remove
    those it has loaded. What the gateway's clients instruct is a context file of its own, so that
    the agent keeps its own prompt and its own memory. `readable` are folders outside the workspace
    of which a prompt may name files. A `toolless` one may only talk.
    """
    return json.dumps(
        {
            "security": {"auth": {"selectedType": _LOGIN if on_login else _KEY}},
            "general": {
                "enableAutoUpdate": False,
                "enableAutoUpdateNotification": False,
                "maxAttempts": _ATTEMPTS,
                "retryFetchErrors": False,
                "sessionRetention": {"enabled": False},
            },
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "context": {
                "fileName": ["GEMINI.md", INSTRUCTIONS_FILE.rpartition("/")[2]],
                "importFormat": "flat",
                "includeDirectories": [str(folder) for folder in readable],
            },
            "model": {"skipNextSpeakerCheck": True},
            **({"tools": {"core": [_HARMLESS]}} if toolless else {}),
        },
        indent=1,
    )


def environment(
    inner_home: Path, endpoint: str, token: str, *, on_login: bool = False
) -> dict[str, str]:
    """Returns the variables gemini needs besides the jail's own."""
    return {
        **(_login(endpoint, token) if on_login else _key(endpoint, token)),
        "GEMINI_CLI_HOME": str(inner_home),
        "GEMINI_CLI_NO_RELAUNCH": "true",
        "GEMINI_CLI_SYSTEM_SETTINGS_PATH": str(inner_home / SETTINGS_FILE),
    }


def _key(endpoint: str, token: str) -> dict[str, str]:
    return {"GEMINI_API_KEY": token, "GOOGLE_GEMINI_BASE_URL": endpoint}


def _login(endpoint: str, token: str) -> dict[str, str]:
    """An access token in the environment is believed; one in a file would be shown to Google."""
    return {
        "GOOGLE_GENAI_USE_GCA": "true",
        "GOOGLE_CLOUD_ACCESS_TOKEN": token,
        "CODE_ASSIST_ENDPOINT": endpoint,
    }


def acp_arguments(model: str) -> tuple[str, ...]:
    """Returns the long-lived process; sessions are made and changed by its protocol."""
    return ("--acp", *_QUIET, model)


def turn_arguments(model: str, session_id: str | None) -> tuple[str, ...]:
    """One turn per process; the prompt comes on standard input."""
    resume = ("--resume", session_id) if session_id else ()
    return (*_QUIET, model, "-o", "stream-json", *resume)


def named(place: Path) -> str:
    """Returns a file as a prompt names it to have it read."""
    return "@" + str(place).replace(" ", r"\ ")


def spoken(prompt: str, commands: tuple[str, ...]) -> str:
    """Returns the prompt as gemini has to hear it: what would be a command of its own is marked."""
    return _AS_TEXT + prompt if prompt.lstrip().startswith(commands) else prompt
