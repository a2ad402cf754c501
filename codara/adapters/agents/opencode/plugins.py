"""Plugins that opencode would run although it was told to read no project's configuration."""

import json
import os
import re
import stat
from typing import Any

_SETTINGS = (
    "opencode.json",
    "opencode.jsonc",
    ".opencode/opencode.json",
    ".opencode/opencode.jsonc",
)
_FOLDERS = (".opencode/plugin", ".opencode/plugins")
_KEYS = ("plugin", "plugins")
_MOST_BYTES = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_STRING = r'"(?:\\.|[^"\\])*"'
_COMMENTS = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMAS = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_ADVICE = "opencode would run them whatever it is told. Take them out, or use another provider."


def plugins_of(workspace: int) -> str | None:
    """Returns which file of an open workspace brings plugins, and what to do; None if none does."""
    found = next((path for path in _FOLDERS if _holds_any(workspace, path)), None)
    if found is not None:
        return f"{found} holds plugins: {_ADVICE}"
    return next(filter(None, (_told(workspace, path) for path in _SETTINGS)), None)


def _told(workspace: int, path: str) -> str | None:
    try:
        mode = os.stat(path, dir_fd=workspace, follow_symlinks=False).st_mode
    except OSError:
        return None
    if not stat.S_ISREG(mode):
        return f"{path} is no plain file. Remove it."
    text = _read(workspace, path)
    if text is None:
        return f"{path} is too long to be read. Make it shorter than {_MOST_BYTES} bytes."
    settings = _settings(text)
    named = isinstance(settings, dict) and any(settings.get(key) for key in _KEYS)
    return f"{path} names plugins: {_ADVICE}" if named else None


def _read(workspace: int, path: str) -> str | None:
    """The text of a file; empty if it cannot be read, as the agent could not either."""
    try:
        with os.fdopen(os.open(path, _FILE, dir_fd=workspace), "rb") as stream:
            data = stream.read(_MOST_BYTES)
    except OSError:
        return ""
    return data.decode("utf-8-sig", "replace") if len(data) < _MOST_BYTES else None


def _settings(text: str) -> Any:
    """JSON with comments and last commas, as opencode reads it; None if it is not even that."""
    for more_than_json in (_COMMENTS, _LAST_COMMAS):
        text = more_than_json.sub(lambda match: match[1] or " ", text)
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _holds_any(workspace: int, path: str) -> bool:
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=workspace)
    except OSError:
        return False
    try:
        with os.scandir(folder) as entries:
            return any(each.name.endswith((".ts", ".js")) for each in entries)
    finally:
        os.close(folder)
