"""Settings that remember which of them were read, and by which module."""

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

import attrs

from codara.config.settings import Settings

APART = ("codara.config.", "codara.bootstrap.doctor.", "codara.cli.config")
"""Reading a setting to load, show or examine it makes nothing happen."""


@attrs.frozen
class ReadSettings:
    """Settings, and the readers of each: ``block.key`` to the names of modules."""

    settings: Settings
    readers: dict[str, set[str]]


def remembering(settings: Settings) -> ReadSettings:
    """Returns these settings; who reads one of them is remembered."""
    readers: dict[str, set[str]] = {}
    watched: Settings = _watched(settings, "", readers)
    return ReadSettings(watched, readers)


def _watched(block: Any, path: str, readers: dict[str, set[str]]) -> Any:
    """Returns a copy of a block, of a class of its own: its values are told when they are read."""
    kind = type(block)
    keys = {field.name: f"{path}{field.name}" for field in attrs.fields(kind)}

    def read(self: Any, name: str) -> Any:
        value = kind.__getattribute__(self, name)
        key = keys.get(name)
        if key is not None and not attrs.has(type(value)) and (reader := _reader()):
            readers.setdefault(key, set()).add(reader)
        return value

    watched = type(kind.__name__, (kind,), {"__getattribute__": read, "__slots__": ()})
    copy = object.__new__(watched)
    for name, key in keys.items():
        value = getattr(block, name)
        inner = attrs.has(type(value))
        object.__setattr__(copy, name, _watched(value, f"{key}.", readers) if inner else value)
    return copy


def _reader() -> str | None:
    """Returns the module of ours for which a value is read; None if nobody acts on it.

    A property of the settings reads for the one that asked it. What attrs does with every field,
    for a text, a copy or a comparison, is no reading.
    """
    for frame in _frames(sys._getframe(2)):
        if frame.f_code.co_filename.startswith("<attrs generated"):
            return None
        name = str(frame.f_globals.get("__name__", ""))
        if name != __name__ and not name.startswith("codara.config."):
            ours = name.startswith("codara.") and not name.startswith(APART)
            return name if ours else None
    return None


def _frames(frame: FrameType | None) -> Iterable[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
