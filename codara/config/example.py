"""Writes the example files, and the tables of settings, from the settings themselves."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from codara.config.fields import Setting, settings_of
from codara.config.settings import Settings

PAGE = "docs/reference/settings.md"
MARK = "<!-- written by `make examples` -->"
_SECRETS = (
    ("API_TOKEN", "Operator passkey (or UAG_MGMT_SECRET); without one, one is made and kept."),
    ("CODARA_MASTER_KEY", "Master key (or UAG_MASTER_KEY): base64 of exactly 32 bytes."),
    ("CODARA_CONFIG", "Configuration file to read (or UAG_CONFIG_PATH)."),
    ("UAG_CONFIG_DIR", "Folder in which codara.toml is looked for last; else ~/.config/codara."),
)


def toml_example() -> str:
    """Returns the text of `codara.toml.example`: every key with its default and meaning."""
    lines = [
        "# Every setting of Codara with its default. Copy to codara.toml and keep what you change.",
        "# The environment wins over this file. Relative paths are relative to this file.",
    ]
    for block, settings in groupby(settings_of(Settings()), key=lambda setting: setting.block):
        lines += ["", f"[{block}]"]
        for setting in settings:
            lines += [f"# {setting.about}{_choices(setting)}", _toml_line(setting)]
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """Returns the text of `.env.example`: every environment variable with default and meaning."""
    lines = [
        "# Every setting of Codara as an environment variable, with its default.",
        "# For systemd's EnvironmentFile or docker --env-file; codara itself does not read it.",
        "# Lists are separated by commas, tables are JSON. An empty variable counts as not set.",
    ]
    for name, meaning in _SECRETS:
        lines += ["", f"# {meaning}", f"# {name}="]
    for setting in settings_of(Settings()):
        others = f" Also {', '.join(setting.env[1:])}." if setting.env[1:] else ""
        lines += ["", f"# {setting.path}: {setting.about}{_choices(setting)}{others}"]
        lines.append(f"# {setting.env[0]}={setting.written()}")
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """Returns the tables of `docs/reference/settings.md`, one for each block."""
    lines: list[str] = []
    for block, settings in groupby(settings_of(Settings()), key=lambda setting: setting.block):
        lines += [f"## `[{block}]`", "", "| key | default | environment | meaning |"]
        lines += ["|---|---|---|---|", *map(_row, settings), ""]
    return "\n".join(lines)


def _row(setting: Setting) -> str:
    default = f"`{setting.written()}`" if setting.written() else "none"
    names = ", ".join(f"`{name}`" for name in setting.env)
    return f"| `{setting.key}` | {default} | {names} | {setting.about}{_choices(setting)} |"


def _choices(setting: Setting) -> str:
    missing = [choice for choice in setting.choices if f"`{choice}`" not in setting.meaning]
    return f" One of {', '.join(setting.choices)}." if len(missing) > 1 else ""


def _toml_line(setting: Setting) -> str:
    if setting.default is None or isinstance(setting.default, dict) or setting.secret:
        return f"# {setting.key} = {_no_default(setting)}"
    mark = "# " if setting.shown or setting.placed or setting.later else ""
    return f"{mark}{setting.key} = {_toml_value(setting)}"


def _no_default(setting: Setting) -> str:
    if setting.type == Mapping[str, str]:
        return '{ "gpt-4o" = "codex/gpt-5-codex" }'
    if isinstance(setting.default, dict):
        return '{ "codex/gpt-5-codex" = { input = 1.25, cached = 0.125, output = 10.0 } }'
    return '[{ name = "main", token = "..." }]' if setting.secret else '""'


def _toml_value(setting: Setting) -> str:
    value: Any = setting.default
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, bool | int | float) and not setting.size:
        return setting.written()
    return json.dumps(setting.written())


def files() -> Iterator[tuple[str, str]]:
    """Yields the path in the project and the text of every example file."""
    yield "codara.toml.example", toml_example()
    yield ".env.example", env_example()


def write(project: Path) -> None:
    """Writes the example files, and the tables of the settings' page below its mark."""
    for name, text in files():
        (project / name).write_text(text, encoding="utf-8")
    page = project / PAGE
    intro = page.read_text(encoding="utf-8").partition(MARK)[0]
    page.write_text(f"{intro}{MARK}\n\n{settings_table()}", encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
