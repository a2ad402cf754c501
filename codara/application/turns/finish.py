"""Finish: the final tree, the diff, the actions; then *ended* is appended, whatever happened."""

import time
from functools import partial
from typing import Any

import attrs
import orjson

from codara.application.ports.agents import Outcome
from codara.application.ports.workspaces import MISSING
from codara.application.turns import failures
from codara.application.turns.changes import Left, diff_fact, left_behind
from codara.application.turns.commands import TurnResult
from codara.application.turns.context import Context
from codara.application.turns.ending import append_end
from codara.application.turns.offering import digest_of
from codara.application.turns.payloads import Parcel
from codara.application.turns.run import Run, RunningState
from codara.application.turns.sink import AgentSink
from codara.application.turns.until_written import lasting
from codara.domain import transcript
from codara.domain.turns.end import EndTurn, heard
from codara.errors import CodaraError
from codara.events.session import TurnCancelled, TurnCompleted, TurnEnd, TurnFailed, Usage
from codara.events.thread import Thread
from codara.offload import by_size

_FULL = "context_full"
_FOLDER_GONE = Outcome(status="failed", cause="workspace_gone")


@attrs.define(kw_only=True)
class Finish:
    """The end of a turn that had started."""

    context: Context
    run: Run
    running: RunningState
    heard: AgentSink
    outcome: Outcome
    refusal: CodaraError | None = None
    """Why no account can be lent, if the turn's own has failed."""
    parcel: Parcel = attrs.field(init=False)
    usage: Usage | None = attrs.field(init=False)
    lost_thread: bool = attrs.field(init=False)
    """Whether the agent had to begin a fresh thread although it was to go on with one."""
    thread: Thread = attrs.field(init=False)
    """What the next turn goes on with, as far as the question goes."""

    def __attrs_post_init__(self) -> None:
        self.parcel = Parcel(context=self.context, subject=self.run.command.caller.user_id)
        self.usage = self.heard.usage
        wanted, backend_id = self.run.asked.requested.thread.backend_id, self._backend_id()
        self.lost_thread = self.heard.lost_thread or (
            wanted is not None and backend_id not in (None, wanted)
        )
        self.thread = self._thread(backend_id)

    async def finish(self) -> TurnResult | CodaraError:
        """Appends *ended*; the result, or the error it ended with."""
        context, run, asked = self.context, self.run, self.run.asked
        since = time.monotonic()
        await self.heard.settled()
        frames = await self.heard.spool.close()
        left = await left_behind(context, asked, self.running, text=self.heard.answer)
        run.mark("finish", since)
        run.mark("total", run.began)
        error = self._error(left)
        position = await lasting(run, partial(self._append, left, frames, error))
        self.heard.spool.remove()
        return error or self._result(left, position)

    def _untouched(self, left: Left) -> bool:
        return not (self.heard.tool_ran or left.changed)

    def _error(self, left: Left) -> CodaraError | None:
        untouched = self._untouched(left)
        if self.run.cancel_cause:
            return failures.cancellation_of(self.run.cancel_cause, untouched=untouched)
        if MISSING in left.partial and MISSING not in self.running.partial:
            return self._failure(_FOLDER_GONE, untouched=untouched)
        if self.outcome.status != "completed":
            return self._failure(self.outcome, untouched=untouched)
        return None

    def _failure(self, outcome: Outcome, *, untouched: bool) -> CodaraError:
        return failures.error_of(
            outcome,
            now=self.context.clock(),
            untouched=untouched,
            provider=self.run.command.provider,
            refusal=None if outcome is _FOLDER_GONE else self.refusal,
        )

    async def _append(self, left: Left, frames: bytes, error: CodaraError | None) -> int:
        context, asked, quota = self.context, self.run.asked, self.heard.quota
        now = context.clock()
        self.parcel.payloads.clear()
        end = await self._end(left, frames, error)
        ask = EndTurn(
            ended=await self._fact(end, error),
            workspace_id=asked.workspace_id,
            diff=await diff_fact(asked, self.parcel, self.running, left),
            leases=self.running.leases,
            now=now,
            account_id=self.running.choice.account_id,
            health=failures.lesson(self.outcome, now=now, cooldown=context.limits.cooldown),
            quota=failures.windows(quota),
            quota_source=quota.source if quota else "",
            idempotency=asked.requested.idempotency if error and self._untouched(left) else None,
        )
        return await append_end(self.parcel, ask, self.run.cause)

    async def _end(self, left: Left, frames: bytes, error: CodaraError | None) -> TurnEnd:
        return TurnEnd(
            thread=await self._reached(left, error),
            lost_thread=self.lost_thread,
            expires_at=self.context.clock() + self.context.limits.session_ttl,
            usage=self.usage,
            frames=await self.parcel.data(frames),
            actions=await self.parcel.data(orjson.dumps(left.actions) if left.actions else b""),
            activity=await self.parcel.data(self.heard.activity.as_json()),
            text_replaced=self.heard.text_replaced,
            tool_ran=self.heard.tool_ran,
            changed=left.changed,
            timings=dict(self.run.timings),
        )

    def _backend_id(self) -> str | None:
        return self.heard.backend_id or self.outcome.backend_id

    def _thread(self, backend_id: str | None) -> Thread:
        """A thread that is full would fail the next turn, too."""
        asked = self.run.asked
        if self.outcome.cause == _FULL:
            return Thread()
        if backend_id is None:
            return asked.standing
        return heard(asked.prompt.fresh if self.lost_thread else asked.prompt.after, backend_id)

    async def _reached(self, left: Left, error: CodaraError | None) -> Thread:
        """The thread behind the answer; behind the question, where there is no whole one."""
        if self.thread.backend_id is None or self._backend_id() is None:
            return self.thread
        point = self.thread.point
        if error is None:
            answer = self.heard.answer
            digest = digest_of(self.context, self.run.command.caller.user_id)
            behind = partial(transcript.answered, point, answer, digest)
            point = await by_size(behind, size=len(answer))
        tree = "" if left.partial else left.final.tree
        return attrs.evolve(self.thread, point=point, mark=self.heard.mark, tree=tree)

    async def _fact(
        self, end: TurnEnd, error: CodaraError | None
    ) -> TurnCompleted | TurnFailed | TurnCancelled:
        answer = await self.parcel.text(self.heard.answer)
        common: dict[str, Any] = {
            "session_id": self.run.asked.session_id,
            "turn_id": self.run.asked.turn_id,
            "user_id": self.run.command.caller.user_id,
            "end": end,
            "answer": answer.inline,
            "answer_payload": answer.ref,
        }
        if error is None:
            return TurnCompleted(**common, finish_reason=self.outcome.finish_reason)
        if self.run.cancel_cause:
            return TurnCancelled(**common, cause=self.run.cancel_cause)
        return TurnFailed(
            **common,
            code=error.code,
            cause=error.cause or error.code,
            retry_after=error.retry_after,
            message=error.message,
            detail=error.detail,
        )

    def _result(self, left: Left, position: int) -> TurnResult:
        asked, diff, command = self.run.asked, left.diff, self.run.command
        return TurnResult(
            turn_id=asked.turn_id,
            session_id=asked.session_id,
            client_session_id=asked.seat.label or None,
            workspace_id=asked.workspace_id,
            workspace=asked.place.label,
            provider=command.provider,
            model=command.model,
            backend_id=self.thread.backend_id,
            thread="fresh" if self.lost_thread else asked.seat.kind,
            forked_from=asked.seat.forked_from,
            aside=command.aside,
            position=position,
            text=self.heard.answer,
            text_replaced=self.heard.text_replaced,
            finish_reason=self.outcome.finish_reason,
            files=diff.files,
            diff=diff.patch,
            diff_bytes=diff.raw,
            diff_truncated=diff.truncated,
            partial=left.partial,
            actions=left.actions,
            dirty=asked.requested.dirty,
            jailed=self.outcome.jailed,
            usage=self.usage,
            timings=dict(self.run.timings),
        )
