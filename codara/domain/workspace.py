"""A workspace: who owns it, and what works in it."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from codara.errors import WorkspaceBusy
from codara.events.base import Event
from codara.events.vocabulary import HolderKind
from codara.events.workspace import (
    Holder,
    WorkspaceLocked,
    WorkspaceProvisioned,
    WorkspaceRepaired,
    WorkspaceUnlocked,
)

CLOSING = frozenset({WorkspaceLocked.name})
"""Events that carry the whole standing: nothing older than the last of them needs folding."""


@attrs.frozen(kw_only=True)
class Workspace:
    workspace_id: str = ""
    user_id: str = ""
    label: str = ""
    folder: str = ""
    aside: bool = False
    """Whether this is a place for asides, which nobody can name."""
    holder: Holder | None = None
    until: datetime | None = None

    @property
    def exists(self) -> bool:
        return bool(self.workspace_id)


EMPTY = Workspace()


def evolve(state: Workspace, event: Event) -> Workspace:
    """Returns the state after one more event."""
    match event:
        case WorkspaceProvisioned():
            return Workspace(
                workspace_id=event.workspace_id,
                user_id=event.user_id,
                label=event.label,
                folder=event.folder,
                aside=event.aside,
            )
        case WorkspaceLocked():
            return Workspace(
                workspace_id=event.workspace_id,
                user_id=event.user_id,
                label=event.label,
                folder=event.folder,
                aside=event.aside,
                holder=event.holder,
                until=event.until,
            )
        case WorkspaceUnlocked() if state.holder == event.holder:
            return attrs.evolve(state, holder=None, until=None)
        case _:
            return state


def lock(
    state: Workspace,
    *,
    holder: Holder,
    session_id: str | None = None,
    now: datetime,
    until: datetime,
) -> list[Event]:
    """Gives the folder to `holder` until `until`; WorkspaceBusy while another holder has it."""
    if state.holder is not None and state.until is not None and state.until > now:
        raise WorkspaceBusy(
            f"The workspace is held by {_WORDS[state.holder.kind]} {state.holder.id}. "
            "Wait for it to end or cancel it.",
            retry_safe=False,
        )
    return [
        WorkspaceLocked(
            workspace_id=state.workspace_id,
            holder=holder,
            session_id=session_id,
            user_id=state.user_id,
            until=until,
            aside=state.aside,
            label=state.label,
            folder=state.folder,
        )
    ]


def repaired(
    state: Workspace, *, holder: Holder, folders: int, files: int, left: int, partial: bool
) -> list[Event]:
    """Records what the repair `holder` gave back, and takes the folder back from it."""
    done = WorkspaceRepaired(
        workspace_id=state.workspace_id,
        user_id=state.user_id,
        folders=folders,
        files=files,
        left=left,
        partial=partial,
    )
    return [done, *unlock(state, holder=holder)]


def unlock(state: Workspace, *, holder: Holder) -> list[Event]:
    """Takes the folder back from `holder`; empty if that holder does not have it."""
    if state.holder != holder:
        return []
    return [WorkspaceUnlocked(workspace_id=state.workspace_id, holder=holder)]


_WORDS: Mapping[HolderKind, str] = {
    "turn": "task",
    "shell": "shell",
    "rewind": "rewind",
    "upload": "upload",
    "repair": "repair",
}
"""What users call each kind of holder."""
