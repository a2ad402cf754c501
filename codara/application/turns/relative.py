"""What listeners hear of paths: those in the workspace are told from the workspace on."""

import re
from pathlib import Path

import attrs

from codara.application.ports.frames import FileHint, Frame, ToolStarted


def for_listeners(frame: Frame, folder: Path) -> Frame:
    """Returns the frame without the place of the workspace's folder on the host.

    Agents name files by absolute paths. The answer's text is left as the agent wrote it.
    """
    match frame:
        case FileHint(paths=paths):
            return FileHint(tuple(_relative(path, folder) for path in paths))
        case ToolStarted(title=title):
            return attrs.evolve(frame, title=_relative(title, folder))
        case _:
            return frame


def _relative(text: str, folder: Path) -> str:
    """Drops the folder in front of what is in it; the folder itself becomes `.`."""
    place = re.escape(str(folder))
    inside = re.sub(rf"{place}/(?=[^\s/'\"`;&|)])", "", text)
    return re.sub(rf"{place}(?![\w.-])", ".", inside)
