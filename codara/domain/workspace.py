"""A workspace: who owns it, and which turn works in it."""

from datetime import datetime

import attrs

from codara.errors import WorkspaceBusy
from codara.events.base import Event
from codara.events.workspace import (
    WorkspaceLocked,
    WorkspaceProvisioned,
    WorkspaceUnlocked,
)

CLOSING = frozenset({WorkspaceLocked.name})
"""Events that carry the whole standing: nothing older needs to be folded."""


@attrs.frozen(kw_only=True)
class Workspace:
    workspace_id: str = ""
    user_id: str = ""
    label: str = ""
    folder: str = ""
    aside: bool = False
    """Whether it is a place for what is asked beside chats, which nobody names."""
    turn_id: str | None = None
    until: datetime | None = None

    @property
    def exists(self) -> bool:
        return bool(self.workspace_id)


EMPTY = Workspace()


def evolve(state: Workspace, event: Event) -> Workspace:
    """Folds one event."""
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
                turn_id=event.turn_id,
                until=event.until,
            )
        case WorkspaceUnlocked() if state.turn_id == event.turn_id:
            return attrs.evolve(state, turn_id=None, until=None)
        case _:
            return state


def lock(
    state: Workspace, *, turn_id: str, session_id: str, now: datetime, until: datetime
) -> list[Event]:
    """The folder is this turn's until `until`; WorkspaceBusy while another holds it."""
    if state.turn_id is not None and state.until is not None and state.until > now:
        raise WorkspaceBusy(
            f"The workspace is held by task {state.turn_id}. Wait for it to end or cancel it.",
            retry_safe=False,
        )
    return [
        WorkspaceLocked(
            workspace_id=state.workspace_id,
            turn_id=turn_id,
            session_id=session_id,
            user_id=state.user_id,
            until=until,
            aside=state.aside,
            label=state.label,
            folder=state.folder,
        )
    ]


def unlock(state: Workspace, *, turn_id: str) -> list[Event]:
    """Gives the folder back, if it is still this turn's."""
    if state.turn_id != turn_id:
        return []
    return [WorkspaceUnlocked(workspace_id=state.workspace_id, turn_id=turn_id)]
