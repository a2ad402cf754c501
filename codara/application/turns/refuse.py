"""A turn that never started: nothing was taken, so the session alone hears of it."""

from functools import partial

from codara.application.turns import failures
from codara.application.turns.context import Context
from codara.application.turns.ending import append_end
from codara.application.turns.payloads import Parcel
from codara.application.turns.run import Run
from codara.application.turns.until_written import lasting
from codara.domain.turns.end import EndTurn
from codara.errors import CodaraError
from codara.events.session import TurnCancelled, TurnEnd, TurnFailed


async def refuse(context: Context, run: Run, error: CodaraError) -> CodaraError:
    """Appends the end of a turn that waited in vain, or was cancelled while it waited."""
    asked, now = run.asked, context.clock()
    run.mark("total", run.began)
    end = TurnEnd(
        thread=asked.standing,
        expires_at=now + context.limits.session_ttl,
        timings=dict(run.timings),
    )
    if run.cancel_cause:
        error = failures.cancellation_of(run.cancel_cause, untouched=True)
    ask = EndTurn(
        ended=_fact(run, end, error),
        workspace_id=asked.workspace_id,
        now=now,
        idempotency=asked.requested.idempotency,
    )

    parcel = Parcel(context=context, subject=run.command.caller.user_id)
    await lasting(run, partial(append_end, parcel, ask, run.cause))
    return error


def _fact(run: Run, end: TurnEnd, error: CodaraError) -> TurnFailed | TurnCancelled:
    asked, user_id = run.asked, run.command.caller.user_id
    if run.cancel_cause:
        return TurnCancelled(
            session_id=asked.session_id,
            turn_id=asked.turn_id,
            user_id=user_id,
            cause=run.cancel_cause,
            end=end,
            answer="",
        )
    return TurnFailed(
        session_id=asked.session_id,
        turn_id=asked.turn_id,
        user_id=user_id,
        code=error.code,
        cause=error.cause or error.code,
        end=end,
        retry_after=error.retry_after,
        message=error.message,
        detail=error.detail,
        answer="",
    )
