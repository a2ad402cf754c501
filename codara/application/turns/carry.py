"""Carries a turn from its request to its end; whatever happens on the way, an end is recorded."""

import asyncio
import logging

from codara.application.ports.agents import Outcome
from codara.application.turns.commands import TurnResult
from codara.application.turns.finish import Finish
from codara.application.turns.live import Run, Stopped
from codara.application.turns.means import Means
from codara.application.turns.queue import Queue
from codara.application.turns.refuse import refuse
from codara.application.turns.run import Heard, run_agent
from codara.application.turns.start import start
from codara.errors import AgentFailed, CodaraError, Internal, JailUnavailable

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
        await start(means, run, queue, until)
    except (Stopped, CodaraError) as reason:
        return await _refused(means, run, reason)
    began = asyncio.get_running_loop().time()
    heard = Heard(means=means, run=run, began=began, spool=means.spool.open(run.asked.turn_id))
    outcome = await _outcome(means, run, heard)
    if run.running is None:
        raise RuntimeError("a turn ends after it has started")
    end = Finish(means=means, run=run, running=run.running, heard=heard, outcome=outcome)
    return await end.finish()


async def _outcome(means: Means, run: Run, heard: Heard) -> Outcome:
    """However the agent ends: nothing of it may keep the turn from being finished."""
    try:
        return await run.interruptible(run_agent(means, run, heard))
    except Stopped:
        return Outcome(status="interrupted", cause="killed")
    except JailUnavailable as error:
        return Outcome(status="failed", cause="jail", message=error.message)
    except AgentFailed as error:
        return Outcome(status="failed", cause=error.cause or "crashed", message=error.message)
    except Exception:
        logger.exception("the agent of task %s ended by a defect", run.asked.turn_id)
        return Outcome(status="failed", cause="crashed")


async def _refused(means: Means, run: Run, reason: Stopped | CodaraError) -> CodaraError:
    error = reason if isinstance(reason, CodaraError) else Internal("The task was stopped.")
    return await refuse(means, run, error)
