"""Staging: the files that came with a request lie in the workspace while its turn runs."""

import logging
from pathlib import Path

from codara.application.turns.context import Context
from codara.application.turns.run import Run
from codara.domain import uploads

logger = logging.getLogger(__name__)


async def stage(context: Context, run: Run) -> None:
    """Puts the request's files where its prompt says; raises what keeps them from being there.

    Call it once the request is on the disk: recovery after a crash clears what the request names.
    """
    asked, files = run.asked, run.command.uploads
    if files:
        await run.recorded()
        below = uploads.folder_of(asked.turn_id)
        await context.workspaces.provision(asked.workspace_id, asked.folder)
        await context.workspaces.stage(asked.workspace_id, asked.folder, below, files)


async def unstage(context: Context, run: Run) -> None:
    """Takes them away again; trouble with that is no trouble of the turn."""
    if run.command.uploads:
        await clear(context, run.asked.turn_id, run.asked.workspace_id, run.asked.folder)


async def clear(context: Context, turn_id: str, workspace_id: str, folder: Path) -> None:
    """Removes a turn's files, if there are any."""
    try:
        await context.workspaces.unstage(workspace_id, folder, uploads.folder_of(turn_id))
    except Exception:
        logger.exception("the uploads of task %s could not be removed", turn_id)
