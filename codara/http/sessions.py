"""What users and operators ask of sessions and tasks."""

from datetime import datetime

import attrs

from codara.events.vocabulary import SessionStatus, TaskStatus
from codara.http.shapes import ListQuery
from codara.runtimes import PROVIDERS


@attrs.frozen(kw_only=True)
class SessionsQuery(ListQuery):
    """Asks for sessions; those of one-off calls are listed only with `all`."""

    status: SessionStatus | None = None
    provider: str | None = attrs.field(default=None, metadata={"choices": PROVIDERS})
    workspace_id: str | None = None
    all: bool = attrs.field(default=False, metadata={"filter": "every"})


@attrs.frozen(kw_only=True)
class TasksQuery(ListQuery):
    """Asks for tasks that were requested from `since` to `until`."""

    status: TaskStatus | None = None
    provider: str | None = attrs.field(default=None, metadata={"choices": PROVIDERS})
    session_id: str | None = None
    workspace_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@attrs.frozen(kw_only=True)
class CancelRequested:
    """Says that a task was asked to end; it has ended once its status says so."""

    task_id: str
    cancel_requested: bool = True
