"""What a repair of a workspace answers, on either plane."""

from typing import Any, Self

import attrs

from codara.application.ports.workspaces import Repair
from codara.http.answers import done
from codara.http.envelope import Answer
from codara.http.routing import Asked


@attrs.frozen(kw_only=True)
class WorkspaceRepair:
    """Counts what the workspace's owner may use again; `left` is what it still may not.

    `partial`: the workspace is larger than what one repair looks at.
    """

    workspace_id: str
    folders: int
    files: int
    left: int
    partial: bool

    @classmethod
    def of(cls, workspace_id: str, repair: Repair) -> Self:
        """Says what was given back."""
        return cls(
            workspace_id=workspace_id,
            folders=repair.folders,
            files=repair.files,
            left=repair.left,
            partial=repair.partial,
        )


async def repaired(asked: Asked[Any, Any, Any], user_id: str | None) -> Answer[WorkspaceRepair]:
    """Repairs the workspace of the path, of `user_id` or, with None, of anybody."""
    workspace_id = asked.path["workspace_id"]
    repair, position = await asked.services.repairs.repair(workspace_id, user_id, asked.cause)
    return await done(asked, position, data=WorkspaceRepair.of(workspace_id, repair))
