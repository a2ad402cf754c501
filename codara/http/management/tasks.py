"""Tasks, which is what users call turns, as operators see them."""

import attrs

from codara.http.answers import done, listing, one
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.sessions import CancelRequested, TasksQuery
from codara.http.shapes import ItemQuery, Nothing
from codara.projections.task_details import TaskDetails
from codara.projections.task_rows import TaskRow

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class AllTasksQuery(TasksQuery):
    """Asks for tasks of one user or account, or of all."""

    user_id: str | None = None
    account_id: str | None = None


@routes.get("/tasks", query=AllTasksQuery, answer=list[TaskRow])
async def list_tasks(asked: Asked[Operator, AllTasksQuery, Nothing]) -> Answer[list[TaskRow]]:
    """Lists the tasks, newest first."""
    return await listing(asked, asked.services.views.tasks)


@routes.get("/tasks/{task_id}", query=ItemQuery, answer=TaskDetails)
async def show_task(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[TaskDetails]:
    """Shows one task with its texts, diff and actions."""
    return await one(asked, asked.services.views.tasks, asked.path["task_id"])


@routes.post("/tasks/{task_id}/cancel", body=Nothing, answer=CancelRequested, status=202)
async def cancel(asked: Asked[Operator, Nothing, Nothing]) -> Answer[CancelRequested]:
    """Asks the task to end."""
    task_id = asked.path["task_id"]
    await asked.services.turns.cancel(task_id, None, asked.cause)
    return await done(asked, None, data=CancelRequested(task_id=task_id))
