"""How much memory jails take: what is their own, shared pages left out."""

import contextlib
import resource
from collections.abc import Mapping
from pathlib import Path

from codara.adapters.jail import processes

Home = tuple[str, str]
"""Workspace and runtime."""

_PAGE = resource.getpagesize()


def weigh(pids: Mapping[Home, int]) -> dict[Home, int]:
    """Bytes per home, of its jail's first process and all below it. Blocks for milliseconds."""
    children: dict[int, list[int]] = {}
    for pid, parent in processes.parents().items():
        children.setdefault(parent, []).append(pid)
    return {home: _tree(pid, children) for home, pid in pids.items()}


def _tree(pid: int, children: Mapping[int, list[int]]) -> int:
    total, left = 0, [pid]
    while left:
        each = left.pop()
        total += _own(each)
        left.extend(children.get(each, ()))
    return total


def _own(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return (int(resident) - int(shared)) * _PAGE
    return 0
