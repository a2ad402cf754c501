"""Sessions, as operators see them: of every user."""

import attrs

from codara.events.vocabulary import TaskStatus
from codara.http.answers import done, found, listing, one
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.sessions import SessionsQuery
from codara.http.shapes import ItemQuery, ListQuery, Nothing
from codara.projections.sessions import SessionRow
from codara.projections.task_rows import TaskRow

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class AllSessionsQuery(SessionsQuery):
    """Asks for sessions of one user, or of all."""

    user_id: str | None = None


@attrs.frozen(kw_only=True)
class SessionTasksQuery(ListQuery):
    """Asks for the turns of a session."""

    status: TaskStatus | None = None


@routes.get("/sessions", query=AllSessionsQuery, answer=list[SessionRow])
async def list_sessions(
    asked: Asked[Operator, AllSessionsQuery, Nothing],
) -> Answer[list[SessionRow]]:
    """Lists the sessions, newest first; those of one-off calls only with `all`."""
    return await listing(asked, asked.services.views.sessions)


@routes.get("/sessions/{session_id}", query=ItemQuery, answer=SessionRow)
async def show_session(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[SessionRow]:
    """Shows one session."""
    return await one(asked, asked.services.views.sessions, asked.path["session_id"])


@routes.get("/sessions/{session_id}/tasks", query=SessionTasksQuery, answer=list[TaskRow])
async def list_tasks(
    asked: Asked[Operator, SessionTasksQuery, Nothing],
) -> Answer[list[TaskRow]]:
    """Lists the session's turns, newest first."""
    views, session_id = asked.services.views, asked.path["session_id"]
    await found(asked, views.sessions, session_id)
    return await listing(asked, views.tasks, session_id=session_id)


@routes.post("/sessions/{session_id}/reset", body=Nothing, answer=SessionRow)
async def reset(asked: Asked[Operator, Nothing, Nothing]) -> Answer[SessionRow]:
    """Lets the next turn begin a fresh thread; the workspace's files stay."""
    services, session_id = asked.services, asked.path["session_id"]
    position = await services.sessions.reset(session_id, None, asked.cause)
    return await done(asked, position, view=services.views.sessions, item_id=session_id)
