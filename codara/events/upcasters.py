"""Upcasters: they lift facts of an older shape on reading; stored bytes stay as they are."""

from collections.abc import Callable, Mapping
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UNKNOWN = "unknown"
"""The digest of a transcript from the time before digests; it is equal to no other."""


def _session_opened(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had named sessions only: a request without a name got one that was made for it."""
    return {**fields, "origin": "named", "caller": ""}


def _turn_requested(fields: dict[str, Any]) -> dict[str, Any]:
    threads = {name: _thread(fields[name]) for name in ("thread", "heard")}
    return {**fields, **threads, "origin": "named", "caller": ""}


def _backend_bound(fields: dict[str, Any]) -> dict[str, Any]:
    heard = fields.get("heard")
    return {**fields, "heard": None if heard is None else _thread(heard)}


def _turn_ended(fields: dict[str, Any]) -> dict[str, Any]:
    end = fields["end"]
    return {**fields, "end": {**end, "thread": _thread(end["thread"])}}


def _thread(thread: dict[str, Any]) -> dict[str, Any]:
    """Drops what version 1 counted and digested: the user's messages alone tell too little."""
    said = thread.get("messages", 0)
    point = {"digest": UNKNOWN, "answered": UNKNOWN, "entries": said} if said else {}
    return {"backend_id": thread.get("backend_id"), "point": point}


def _workspace_held(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew no holder but a turn."""
    return {**fields, "holder": {"kind": "turn", "id": fields["turn_id"]}}


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    ("session.opened", 1): _session_opened,
    ("session.turn_requested", 1): _turn_requested,
    ("session.backend_bound", 1): _backend_bound,
    ("session.turn_completed", 1): _turn_ended,
    ("session.turn_failed", 1): _turn_ended,
    ("session.turn_cancelled", 1): _turn_ended,
    ("workspace.locked", 1): _workspace_held,
    ("workspace.unlocked", 1): _workspace_held,
}
"""Maps a stored name and a version to the function that lifts the fields by one version.

An upcaster gets the fields as JSON values, private ones as `Sealed`: it may move those, but cannot
look into them.
"""


def upcast(
    name: str,
    version: int,
    fields: dict[str, Any],
    *,
    to: int,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> dict[str, Any]:
    """Lifts `fields` step by step from `version` to version `to`; KeyError if a step is missing."""
    for step in range(version, to):
        fields = upcasters[name, step](fields)
    return fields
