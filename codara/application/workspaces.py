"""Workspaces: found by label, id or folder; made when a label is used for the first time."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from codara.application.callers import Caller
from codara.application.deciding import Deciding
from codara.application.ports.secrets import Keys
from codara.application.ports.workspaces import Workspaces
from codara.domain import name
from codara.domain.workspace import Workspace
from codara.errors import NotFound, WorkspaceAccessDenied
from codara.events import streams
from codara.events.base import Cause, Event
from codara.events.workspace import WorkspaceProvisioned
from codara.ids import NewId

_ASIDE = "aside:{}"
"""The label of a place for asides; no label of a user contains a colon."""
_TAKEN = "The workspace was made a moment ago by another request. Send the request again."


@attrs.frozen(kw_only=True)
class WorkspaceDesk:
    """Finds and makes workspaces."""

    deciding: Deciding
    workspaces: Workspaces
    keys: Keys
    new_id: NewId

    async def find(self, caller: Caller, wanted: str, root: str | None, cause: Cause) -> Workspace:
        """Returns the workspace that a request names; one with a new label is made.

        NotFound for an id that is not the caller's; WorkspaceAccessDenied for a folder that is not
        a workspace.
        """
        if root is not None:
            return await self._by_folder(root)
        if wanted.startswith("wsp_"):
            return await self._by_id(caller, wanted)
        return await self._by_label(caller, wanted, cause)

    async def for_aside(self, caller: Caller, number: int, cause: Cause) -> Workspace:
        """Returns one of the user's places for asides, made if need be; nobody can name it."""
        return await self._by_label(caller, _ASIDE.format(number), cause, aside=True)

    async def _by_folder(self, root: str) -> Workspace:
        owner = await self._owner(self._folder_name(root))
        found = None if owner is None else await self._state(owner)
        if found is None or found.aside:
            raise WorkspaceAccessDenied(
                "workspace_root is not the folder of a workspace.", param="workspace_root"
            )
        return found

    async def _by_id(self, caller: Caller, workspace_id: str) -> Workspace:
        found = await self._state(workspace_id)
        if found.user_id != caller.user_id or found.aside:
            raise NotFound(f"There is no workspace {workspace_id}.", param="workspace_id")
        return found

    async def _by_label(
        self, caller: Caller, label: str, cause: Cause, *, aside: bool = False
    ) -> Workspace:
        by_label = streams.name(self.keys.digest("workspace", caller.user_id, label))
        workspace_id = await self._owner(by_label)
        if workspace_id is None:
            made = self._made(caller.user_id, label, aside=aside)
            workspace_id = await self._provision(made, by_label, cause)
        return await self._state(workspace_id)

    def _made(self, user_id: str, label: str, *, aside: bool) -> WorkspaceProvisioned:
        return WorkspaceProvisioned(
            workspace_id=self.new_id("wsp"),
            user_id=user_id,
            label=label,
            folder=str(self.workspaces.folder(user_id, label)),
            aside=aside,
        )

    async def _provision(self, made: WorkspaceProvisioned, by_label: str, cause: Cause) -> str:
        workspace_id, folder = made.workspace_id, Path(made.folder)
        await self.workspaces.provision(workspace_id, folder)
        stream = streams.workspace(workspace_id)
        names = [by_label, self._folder_name(made.folder)]
        decided = await self.deciding.decide(
            [stream, *names], partial(_claim, stream, names, made), cause
        )
        owner: str = decided.states[by_label].owner
        if owner == workspace_id:
            await self.workspaces.snapshot(workspace_id, folder)
        return owner

    async def _owner(self, stream: str) -> str | None:
        held: name.Name = await self.deciding.state(stream)
        return held.owner

    async def _state(self, workspace_id: str) -> Workspace:
        found: Workspace = await self.deciding.state(streams.workspace(workspace_id))
        return found

    def _folder_name(self, folder: str) -> str:
        return streams.name(self.keys.digest("folder", str(Path(folder))))


def _claim(
    stream: str, names: Sequence[str], made: WorkspaceProvisioned, states: Mapping[str, Any]
) -> dict[str, list[Event]]:
    """Claims the names, unless another request has made a workspace with that label meanwhile."""
    if any(states[each].owner is not None for each in names):
        return {}
    claims = {
        each: name.claim(states[each], kind="workspace", owner=made.workspace_id, taken=_TAKEN)
        for each in names
    }
    return {stream: [made], **claims}
