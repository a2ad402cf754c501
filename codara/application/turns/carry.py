"""Carries a turn from its request to its end; whatever happens on the way, an end is recorded."""

import logging

from codara.application.turns.commands import TurnResult
from codara.application.turns.finish import Finish
from codara.application.turns.live import Run, Stopped
from codara.application.turns.means import Means
from codara.application.turns.queue import Queue
from codara.application.turns.refuse import refuse
from codara.application.turns.run import prepare_agent
from codara.application.turns.staging import stage, unstage
from codara.application.turns.start import start
from codara.application.turns.work import work
from codara.errors import CodaraError, Internal

logger = logging.getLogger(__name__)


async def carry(means: Means, run: Run, queue: Queue) -> None:
    """Waits for the turn's place, works there, and tells the listeners how it ended."""
    result: TurnResult | CodaraError
    try:
        result = await _wait_and_work(means, run, queue)
    except CodaraError as error:
        result = error
    except Exception:
        logger.exception("task %s ended by a defect", run.asked.turn_id)
        result = Internal("The gateway failed. The details are in its log.", retry_safe=False)
    run.end(result)


async def _wait_and_work(means: Means, run: Run, queue: Queue) -> TurnResult | CodaraError:
    until = run.began + means.limits.queue_timeout
    workspace_id = run.asked.workspace_id
    prepare_agent(means, run)
    try:
        await run.interruptible(queue.enter(workspace_id, until))
    except (Stopped, CodaraError) as reason:
        return await _refused(means, run, reason)
    run.mark("queue", run.began)
    try:
        return await _work(means, run, queue, until)
    finally:
        for lease in run.running.leases if run.running else ():
            means.slots.give(lease)
        queue.leave(workspace_id)


async def _work(means: Means, run: Run, queue: Queue, until: float) -> TurnResult | CodaraError:
    try:
        await stage(means, run)
        await start(means, run, queue, until)
    except (Stopped, CodaraError) as reason:
        await unstage(means, run)
        return await _refused(means, run, reason)
    heard, outcome, refusal = await work(means, run, queue)
    await unstage(means, run)
    if run.running is None:
        raise RuntimeError("a turn ends after it has started")
    end = Finish(
        means=means, run=run, running=run.running, heard=heard, outcome=outcome, refusal=refusal
    )
    return await end.finish()


async def _refused(means: Means, run: Run, reason: Stopped | CodaraError) -> CodaraError:
    error = reason if isinstance(reason, CodaraError) else Internal("The task was stopped.")
    return await refuse(means, run, error)
