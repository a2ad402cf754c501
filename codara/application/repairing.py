"""Repairing a workspace that its agent made unusable, at somebody's order."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import attrs

from codara.application.deciding import Deciding
from codara.application.ports.workspaces import Repair, Workspaces
from codara.clock import Clock
from codara.domain import workspace
from codara.domain.workspace import Workspace
from codara.errors import NotFound
from codara.events import streams
from codara.events.base import Cause
from codara.events.workspace import Holder
from codara.ids import NewId

_LONGEST = timedelta(minutes=5)
"""A lock that a lost gateway leaves is over after that; a repair itself ends much sooner."""


@attrs.frozen(kw_only=True)
class Repairs:
    """Gives owners back the rights to their workspaces' files."""

    deciding: Deciding
    workspaces: Workspaces
    clock: Clock
    new_id: NewId

    async def repair(
        self, workspace_id: str, user_id: str | None, cause: Cause
    ) -> tuple[Repair, int | None]:
        """Repairs a workspace, which nothing else may hold meanwhile.

        Returns what was given back, and the position. NotFound if there is no such workspace, or it
        is not `user_id`'s (None: an operator asks); WorkspaceBusy while something else has it.
        """
        stream = streams.workspace(workspace_id)
        holder = Holder(kind="repair", id=self.new_id("rep"))
        found: Workspace = await self.deciding.state(stream)
        if not found.exists or found.aside or user_id not in (None, found.user_id):
            raise NotFound(f"There is no workspace {workspace_id}.")
        now = self.clock()
        await self.deciding.decide_on(
            stream, partial(workspace.lock, holder=holder, now=now, until=now + _LONGEST), cause
        )
        try:
            done = await self.workspaces.repair(workspace_id, Path(found.folder))
        except BaseException:
            await self.deciding.decide_on(stream, partial(workspace.unlock, holder=holder), cause)
            raise
        position = await self.deciding.decide_on(
            stream,
            partial(
                workspace.repaired,
                holder=holder,
                folders=done.folders,
                files=done.files,
                left=done.left,
                partial=done.partial,
            ),
            cause,
        )
        return done, position
