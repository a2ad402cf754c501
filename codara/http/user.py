"""The routes for users: what a user's key shows of that user, and of nobody else."""

from datetime import datetime, timedelta

import attrs

from codara.application.callers import Caller
from codara.application.models import Model
from codara.http.answers import done, found, listing, one, up_to_date
from codara.http.envelope import Answer
from codara.http.keys import KeyShown, RevokedKey, all_keys
from codara.http.planes import USER
from codara.http.repairs import WorkspaceRepair, repaired
from codara.http.routing import Asked, Routes
from codara.http.sessions import CancelRequested, SessionsQuery, TasksQuery
from codara.http.shapes import ItemQuery, ListQuery, Nothing
from codara.http.usage import Usage, usage_of
from codara.projections.sessions import SessionRow
from codara.projections.task_details import OwnTask
from codara.projections.task_rows import TaskRow
from codara.projections.users import ApiKeyRow, UserDetails
from codara.projections.workspaces import OwnWorkspace
from codara.runtimes import PROVIDERS

routes = Routes(USER, "/v1/user")

_USAGE_WINDOW = timedelta(days=30)


@attrs.frozen(kw_only=True)
class Me(UserDetails):
    """The user, with the key that the request used."""

    key_id: str | None


@attrs.frozen(kw_only=True)
class OwnKeyRequest:
    """One more key; with `rotate`, in place of the key that the request used.

    It expires no later than the key that the request used, and with that one if `expires_at` says
    nothing.
    """

    rotate: bool = False
    label: str | None = None
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class ModelsQuery:
    """Asks for the models of one provider, or of all; with `all` also for those that cannot run."""

    provider: str | None = attrs.field(default=None, metadata={"choices": PROVIDERS})
    all: bool = False


@attrs.frozen(kw_only=True)
class ModelShown:
    """A model that can be requested by its `id`; `display_name` is null where it is not known."""

    id: str
    provider: str
    model: str
    display_name: str | None

    @classmethod
    def of(cls, model: Model) -> "ModelShown":
        """Returns what is shown of a model."""
        return cls(
            id=model.public, provider=model.provider, model=model.name, display_name=model.title
        )


@routes.get("/me", query=ItemQuery, answer=Me)
async def me(asked: Asked[Caller, ItemQuery, Nothing]) -> Answer[Me]:
    """Shows the user, and as `key_id` the key that the request used."""
    views, caller = asked.services.views, asked.caller
    known: UserDetails = await found(asked, views.users, caller.user_id)
    data = Me(**attrs.asdict(known, recurse=False), key_id=caller.key_id)
    return Answer(data=data, position=views.position())


@routes.get("/keys", query=ItemQuery, answer=list[ApiKeyRow])
async def list_keys(asked: Asked[Caller, ItemQuery, Nothing]) -> Answer[list[ApiKeyRow]]:
    """Lists every key of the user, newest first."""
    return await all_keys(asked, asked.caller.user_id)


@routes.post("/keys", body=OwnKeyRequest, answer=KeyShown, status=201)
async def issue_key(asked: Asked[Caller, Nothing, OwnKeyRequest]) -> Answer[KeyShown]:
    """Makes a key; its secret is shown once."""
    user, body = asked.caller, asked.body
    old = [user.key_id] if body.rotate and user.key_id else []
    key = await asked.services.users.rotate_key(
        user.user_id,
        old,
        asked.cause,
        label=body.label,
        until=body.expires_at,
        minting=user.key_until,
    )
    return await done(asked, key.position, data=KeyShown.of(key), secret=True)


@routes.delete("/keys/{key_id}", answer=RevokedKey)
async def revoke_key(asked: Asked[Caller, Nothing, Nothing]) -> Answer[RevokedKey]:
    """Ends the key, even if it is the one that the request used."""
    key_id = asked.path["key_id"]
    position = await asked.services.users.revoke_key(asked.caller.user_id, key_id, asked.cause)
    return await done(asked, position, data=RevokedKey(key_id=key_id))


@routes.get("/usage", query=ItemQuery, answer=Usage)
async def usage(asked: Asked[Caller, ItemQuery, Nothing]) -> Answer[Usage]:
    """Adds up the tokens of today and of the 30 days before, by UTC."""
    views = asked.services.views
    stale = not await up_to_date(asked)
    now = asked.services.clock()
    used = await usage_of(views.usage, asked.caller.user_id, now - _USAGE_WINDOW, now)
    return Answer(data=used, position=views.position(), stale=stale)


@routes.get("/sessions", query=SessionsQuery, answer=list[SessionRow])
async def list_sessions(asked: Asked[Caller, SessionsQuery, Nothing]) -> Answer[list[SessionRow]]:
    """Lists the user's sessions, newest first; those of one-off calls only with `all`."""
    return await listing(asked, asked.services.views.sessions, user_id=asked.caller.user_id)


@routes.get("/sessions/{session_id}", query=ItemQuery, answer=SessionRow)
async def show_session(asked: Asked[Caller, ItemQuery, Nothing]) -> Answer[SessionRow]:
    """Shows one session of the user."""
    view, session_id = asked.services.views.sessions, asked.path["session_id"]
    return await one(asked, view, session_id, user_id=asked.caller.user_id)


@routes.post("/sessions/{session_id}/reset", body=Nothing, answer=SessionRow)
async def reset_session(asked: Asked[Caller, Nothing, Nothing]) -> Answer[SessionRow]:
    """Lets the next turn begin a fresh thread; the workspace's files stay."""
    services, session_id = asked.services, asked.path["session_id"]
    position = await services.sessions.reset(session_id, asked.caller.user_id, asked.cause)
    return await done(asked, position, view=services.views.sessions, item_id=session_id)


@routes.get("/tasks", query=TasksQuery, answer=list[TaskRow])
async def list_tasks(asked: Asked[Caller, TasksQuery, Nothing]) -> Answer[list[TaskRow]]:
    """Lists the user's tasks, newest first."""
    return await listing(asked, asked.services.views.tasks, user_id=asked.caller.user_id)


@routes.get("/tasks/{task_id}", query=ItemQuery, answer=OwnTask)
async def show_task(asked: Asked[Caller, ItemQuery, Nothing]) -> Answer[OwnTask]:
    """Shows one task of the user, with its texts, diff and actions."""
    view, task_id = asked.services.views.tasks, asked.path["task_id"]
    answer = await one(asked, view, task_id, user_id=asked.caller.user_id)
    return attrs.evolve(answer, data=answer.data.own())


@routes.post("/tasks/{task_id}/cancel", body=Nothing, answer=CancelRequested, status=202)
async def cancel_task(asked: Asked[Caller, Nothing, Nothing]) -> Answer[CancelRequested]:
    """Asks the task to end."""
    task_id = asked.path["task_id"]
    await asked.services.turns.cancel(task_id, asked.caller.user_id, asked.cause)
    return await done(asked, None, data=CancelRequested(task_id=task_id))


@routes.get("/workspaces", query=ListQuery, answer=list[OwnWorkspace])
async def list_workspaces(asked: Asked[Caller, ListQuery, Nothing]) -> Answer[list[OwnWorkspace]]:
    """Lists the user's workspaces, newest first."""
    view, user_id = asked.services.views.workspaces, asked.caller.user_id
    answer = await listing(asked, view, user_id=user_id)
    return attrs.evolve(answer, data=[row.own() for row in answer.data])


@routes.post("/workspaces/{workspace_id}/repair", body=Nothing, answer=WorkspaceRepair)
async def repair_workspace(asked: Asked[Caller, Nothing, Nothing]) -> Answer[WorkspaceRepair]:
    """Makes files and folders usable again from which an agent took its own rights."""
    return await repaired(asked, asked.caller.user_id)


@routes.get("/providers/models", query=ModelsQuery, answer=list[ModelShown])
async def list_models(asked: Asked[Caller, ModelsQuery, Nothing]) -> Answer[list[ModelShown]]:
    """Lists the models that can run now; with `all`, all that can be requested."""
    models, query = asked.services.models, asked.query
    found = await (models.everything if query.all else models.listing)(query.provider)
    return Answer(data=[ModelShown.of(model) for model in found])
