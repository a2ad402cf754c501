"""What a turn left behind in its workspace: the final tree, the diff, the actions."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import attrs
import orjson

from codara.application.ports.workspaces import Diff, Snapshot
from codara.application.turns.context import Context
from codara.application.turns.payloads import Parcel
from codara.application.turns.run import RunningState
from codara.domain import actions
from codara.errors import CodaraError
from codara.events.base import PayloadRef
from codara.events.workspace import DiffRecorded, FileChange
from codara.offload import by_size

_INLINE_FILES_BYTES = 8_192
"""As JSON; a longer list of changed files is a payload."""
_FILES_AT_ONCE = 200
"""Up to this many files are listed faster on the event loop than in a thread."""
_TEXT_AT_ONCE = 16_384
_UNCHANGED = Diff(files=(), patch="", truncated=False)
_UNKNOWN = Diff(files=(), patch="", truncated=True)

logger = logging.getLogger(__name__)


class Owner(Protocol):
    """A turn, and its workspace."""

    @property
    def turn_id(self) -> str: ...

    @property
    def workspace_id(self) -> str: ...


class ChangedPlace(Owner, Protocol):
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


async def left_behind(
    context: Context, place: ChangedPlace, running: RunningState, *, text: str
) -> Left:
    """Looks at the workspace as it is now; whatever is wrong with it, the turn can be ended."""
    try:
        left = await _looked_at(context, place, running)
    except Exception as trouble:
        logger.exception("the workspace of task %s cannot be looked at", place.turn_id)
        left = unseen(running, trouble.code if isinstance(trouble, CodaraError) else "unreadable")
    actions = await _found(place, text, left.diff)
    return attrs.evolve(left, actions=actions) if actions else left


def unseen(running: RunningState, why: str) -> Left:
    """Returns a workspace of which nothing is known: anything in it may have changed."""
    partial = tuple(dict.fromkeys((*running.partial, why)))
    return Left(
        final=Snapshot(tree=running.baseline, files=0, bytes=0),
        diff=_UNKNOWN,
        actions=(),
        partial=partial,
    )


async def _looked_at(context: Context, place: ChangedPlace, running: RunningState) -> Left:
    final = await context.workspaces.snapshot(place.workspace_id, place.folder)
    diff = _UNCHANGED
    if final.tree != running.baseline:
        diff = await context.workspaces.diff(place.workspace_id, running.baseline, final.tree)
    partial = tuple(dict.fromkeys((*running.partial, *final.partial)))
    return Left(final=final, diff=diff, actions=(), partial=partial)


async def _found(owner: Owner, text: str, diff: Diff) -> tuple[dict[str, Any], ...]:
    """No text, however odd, costs a turn its end: at worst it is told without actions."""
    try:
        size = len(text) + len(diff.patch)
        return await by_size(partial(_actions, text, diff), size=size, most=_TEXT_AT_ONCE)
    except Exception:
        logger.exception("the actions of task %s cannot be told", owner.turn_id)
        return ()


async def diff_fact(
    owner: Owner, parcel: Parcel, running: RunningState, left: Left
) -> DiffRecorded:
    """Returns what changed, as a fact; long lists and patches become payloads."""
    files, diff = left.diff.files, left.diff
    patch = await parcel.text(diff.patch)
    inline, files_payload = await _kept(parcel, files)
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
        files=inline,
        files_payload=files_payload,
        patch=patch.inline,
        patch_payload=patch.ref,
        patch_bytes=await parcel.data(diff.raw or b""),
    )


async def _kept(
    parcel: Parcel, files: tuple[FileChange, ...]
) -> tuple[tuple[FileChange, ...], PayloadRef | None]:
    """A short list stays in the event, a long one is a payload."""
    listed = await by_size(partial(_listed, files), size=len(files), most=_FILES_AT_ONCE)
    if len(listed) <= _INLINE_FILES_BYTES:
        return files, None
    return (), await parcel.data(listed)


def _actions(text: str, diff: Diff) -> tuple[dict[str, Any], ...]:
    patch = diff.patch.encode() if diff.raw is None else diff.raw
    found = actions.both(text, patch, cut=diff.truncated)
    return tuple(action.as_dict() for action in found)


def _listed(files: tuple[FileChange, ...]) -> bytes:
    return orjson.dumps([attrs.asdict(each) for each in files])
