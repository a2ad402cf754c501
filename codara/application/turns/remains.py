"""What a turn left behind in its workspace: the final tree, the diff, the actions."""

import asyncio
import logging
from pathlib import Path
from typing import Any, Protocol

import attrs
import orjson

from codara.application.ports.workspaces import Diff, Snapshot
from codara.application.turns.live import Running
from codara.application.turns.means import Means
from codara.application.turns.parcel import Parcel
from codara.domain import actions
from codara.errors import CodaraError
from codara.events.workspace import DiffRecorded, FileChange

_INLINE_FILES = 50
_SMALL_TEXT = 16_384
_UNCHANGED = Diff(files=(), patch="", truncated=False)
_UNKNOWN = Diff(files=(), patch="", truncated=True)

logger = logging.getLogger(__name__)


class Owner(Protocol):
    """A turn, and its workspace."""

    @property
    def turn_id(self) -> str: ...

    @property
    def workspace_id(self) -> str: ...


class Place(Owner, Protocol):
    """A turn, and where it works."""

    @property
    def folder(self) -> Path: ...


@attrs.frozen(kw_only=True)
class Left:
    """The workspace after a turn, against the baseline before it.

    `partial` says what could not be seen; with an unknown final tree everything may have changed.
    """

    final: Snapshot
    diff: Diff
    actions: tuple[dict[str, Any], ...]
    partial: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether a repetition of the turn would meet another workspace."""
        return bool(self.diff.files) or self.diff.truncated


async def left_behind(means: Means, place: Place, running: Running, *, text: str) -> Left:
    """Looks at the workspace as it is now; whatever is wrong with it, the turn can be ended."""
    try:
        final, diff = await _looked_at(means, place, running)
    except (CodaraError, OSError) as trouble:
        logger.exception("the workspace of task %s cannot be looked at", place.turn_id)
        why = trouble.code if isinstance(trouble, CodaraError) else "unreadable"
        final = Snapshot(tree=running.baseline, files=0, bytes=0, partial=(why,))
        diff = _UNKNOWN
    if len(text) + len(diff.patch) > _SMALL_TEXT:
        found = await asyncio.to_thread(_actions, text, diff.patch)
    else:
        found = _actions(text, diff.patch)
    partial = tuple(dict.fromkeys((*running.partial, *final.partial)))
    return Left(final=final, diff=diff, actions=found, partial=partial)


async def _looked_at(means: Means, place: Place, running: Running) -> tuple[Snapshot, Diff]:
    final = await means.workspaces.snapshot(place.workspace_id, place.folder)
    if final.tree == running.baseline:
        return final, _UNCHANGED
    return final, await means.workspaces.diff(place.workspace_id, running.baseline, final.tree)


async def diff_fact(owner: Owner, parcel: Parcel, running: Running, left: Left) -> DiffRecorded:
    """What changed, as a fact; long lists and patches become payloads."""
    files, diff = left.diff.files, left.diff
    patch = await parcel.text(diff.patch)
    many = len(files) > _INLINE_FILES
    return DiffRecorded(
        workspace_id=owner.workspace_id,
        turn_id=owner.turn_id,
        user_id=parcel.subject,
        base=running.baseline,
        final=left.final.tree,
        changed=len(files),
        added_lines=sum(each.added for each in files),
        deleted_lines=sum(each.deleted for each in files),
        truncated=diff.truncated,
        partial=left.partial,
        files=() if many else files,
        files_payload=await parcel.data(await asyncio.to_thread(_listed, files)) if many else None,
        patch=patch.inline,
        patch_payload=patch.ref,
    )


def _actions(text: str, patch: str) -> tuple[dict[str, Any], ...]:
    return tuple(action.as_dict() for action in actions.both(text, patch))


def _listed(files: tuple[FileChange, ...]) -> bytes:
    return orjson.dumps([attrs.asdict(each) for each in files])
