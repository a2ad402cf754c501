"""Workspaces, as operators see them."""

import attrs

from codara.http.answers import listing, one
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.repairs import WorkspaceRepair, repaired
from codara.http.routing import Asked, Routes
from codara.http.shapes import ItemQuery, ListQuery, Nothing
from codara.projections.workspaces import WorkspaceRow

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class WorkspacesQuery(ListQuery):
    """Asks for workspaces of one user, or of all."""

    user_id: str | None = None


@routes.get("/workspaces", query=WorkspacesQuery, answer=list[WorkspaceRow])
async def list_workspaces(
    asked: Asked[Operator, WorkspacesQuery, Nothing],
) -> Answer[list[WorkspaceRow]]:
    """Lists the workspaces, newest first."""
    return await listing(asked, asked.services.views.workspaces)


@routes.get("/workspaces/{workspace_id}", query=ItemQuery, answer=WorkspaceRow)
async def show_workspace(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[WorkspaceRow]:
    """Shows one workspace."""
    return await one(asked, asked.services.views.workspaces, asked.path["workspace_id"])


@routes.post("/workspaces/{workspace_id}/repair", body=Nothing, answer=WorkspaceRepair)
async def repair_workspace(asked: Asked[Operator, Nothing, Nothing]) -> Answer[WorkspaceRepair]:
    """Makes files and folders usable again from which an agent took its own rights."""
    return await repaired(asked, None)
