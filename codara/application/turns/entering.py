"""Entering: a request waits in the line until everything its turn needs is free."""

from collections.abc import Mapping

from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.places import Wanted
from codara.application.turns.run import Run
from codara.application.turns.waiting import Line
from codara.domain.workspace import Workspace
from codara.errors import SessionBusy, WorkspaceBusy
from codara.events.session import Waited


async def enter(
    context: Context,
    line: Line,
    command: RunTurn,
    *,
    place: Workspace | None,
    runs: Mapping[str, Run],
    began: float,
) -> tuple[Wanted, Waited | None]:
    """Takes the place of a turn to come; says what it waited for, if it did.

    An aside has no `place` yet: it gets one of its user's places for asides once it may begin.
    A session belongs to one workspace, so the holder of that holds the session as well. Raises
    SessionBusy, WorkspaceBusy, ConcurrencyLimit or Overloaded once `queue_timeout` has passed.
    """
    wanted = Wanted(
        request_id=command.request_id,
        turn_id=context.new_id("trn"),
        user_id=command.caller.user_id,
        user_limit=command.caller.max_concurrency,
        workspace_id=place.workspace_id if place else None,
        exempt=command.aside,
    )
    until = began + context.limits.queue_timeout
    try:
        entered = await line.enter(wanted, until, refuse=command.refuse)
    except WorkspaceBusy as busy:
        holder = runs.get(line.holder_of_workspace(wanted.workspace_id or "") or "")
        if holder is not None and _is_session_of(holder, command):
            raise _session_busy(holder, command, busy) from busy
        raise
    lack = entered.lack
    if lack is None:
        return wanted, None
    return wanted, Waited(what=lack.what, behind=lack.behind, seconds=round(entered.waited, 3))


def _is_session_of(holder: Run, command: RunTurn) -> bool:
    label = command.session_label
    return label is not None and label in (holder.command.session_label, holder.asked.session_id)


def _session_busy(holder: Run, command: RunTurn, busy: WorkspaceBusy) -> SessionBusy:
    return SessionBusy(
        f"Session {command.session_label} is still running task {holder.asked.turn_id}. Wait for "
        "it to end, cancel it, or use another client_session_id.",
        retry_after=busy.retry_after,
        retry_safe=False,
    )
