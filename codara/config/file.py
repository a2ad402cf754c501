"""A configuration file, and the line where each of its keys is written."""

import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from codara.config.fields import Setting
from codara.config.lines import line_of
from codara.errors import ConfigInvalid


@attrs.frozen
class ConfigFile:
    """A configuration file as it was read; empty if there is no file."""

    path: Path | None
    text: str
    tree: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path | None) -> "ConfigFile":
        """Reads `path` (None: an empty file); ConfigInvalid if the file cannot be read."""
        if path is None:
            return cls(None, "", {})
        try:
            text = path.read_text(encoding="utf-8")
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as broken:
            raise ConfigInvalid(f"{path}: not valid TOML: {broken}") from broken
        except (OSError, UnicodeDecodeError) as broken:
            raise ConfigInvalid(f"{path}: cannot be read: {broken}") from broken

    def refuse_unknown(self, known: Sequence[Setting]) -> None:
        """Raises ConfigInvalid for the first key that is not in `known`."""
        names = {setting.path for setting in known}
        blocks = {block for name in names for block in _blocks_of(name)}
        for name, value in _entries(self.tree, blocks):
            if name in blocks:
                raise self.wrong(name, f"expected a table, not {value!r}")
            if name not in names:
                close = difflib.get_close_matches(name, sorted(names | blocks), 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise self.wrong(name, f"unknown key{hint}")

    def value(self, name: str) -> Any:
        """Returns the value that is written under ``block.key``; None if there is no such key."""
        node: Any = self.tree
        for part in name.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return None
            node = node[part]
        return node

    def wrong(self, name: str, what: str) -> ConfigInvalid:
        """Returns the error that names file, line and key."""
        return ConfigInvalid(f"{self.place(name)}: {name}: {what}")

    def place(self, name: str) -> str:
        """Returns the file, and the line of ``block.key`` if it is known: ``codara.toml:3``."""
        line = line_of(self.text, name)
        return f"{self.path}:{line}" if line else f"{self.path}"


def _blocks_of(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _entries(
    tree: Mapping[str, Any], blocks: Collection[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name in blocks:
            yield from _entries(value, blocks, f"{name}.")
        else:
            yield name, value
