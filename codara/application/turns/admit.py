"""Admit: who asks, in which session and workspace, for what; then *requested* is appended."""

import asyncio
from functools import partial

import attrs

from codara.application.turns import long_text
from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.places import Wanted
from codara.application.turns.prompt import Prompt, prompt_apart
from codara.application.turns.recalling import recall
from codara.application.turns.run import AskedTurn, Run
from codara.application.turns.seat import Seat, caller_of
from codara.domain import session
from codara.domain.conversation import NAMED, Offered
from codara.domain.turns import request
from codara.domain.workspace import Workspace
from codara.events import streams
from codara.events.base import Cause
from codara.events.request import RequestAccepted
from codara.events.session import HistoryDiverged, Picture, SessionOpened, TurnRequested, Waited
from codara.events.store.payloads import SealedPayload
from codara.events.thread import Thread


def idempotency_stream(context: Context, command: RunTurn) -> str | None:
    """Returns where the request's idempotency key is claimed; None without one."""
    if command.idempotency_key is None:
        return None
    owner = command.caller.key_id or command.caller.actor
    return streams.idempotency(context.keys.digest("idempotency", owner, command.idempotency_key))


@attrs.frozen(kw_only=True)
class Admission:
    """One request at the point of becoming a turn; `again` after a clash.

    Then nothing is taken for granted: a client may have used the request's id before.
    """

    context: Context
    command: RunTurn
    place: Workspace
    seat: Seat
    offered: Offered
    wanted: Wanted
    waited: Waited | None
    began: float
    idempotency: str | None
    """The stream in which its idempotency key is claimed."""
    again: bool = False

    async def admit(self, cause: Cause) -> Run:
        """Queues *requested* and returns the turn, which may go on to its start meanwhile.

        ContextLengthExceeded if the agent cannot take so long a prompt; SessionBusy while a named
        session runs another turn; VersionClash when the session, its
        name or the idempotency key are no longer what they were a moment ago, and when a session
        that was found has gone on meanwhile. That, or a full disk, may also come out when it is
        written: `Run.requested` tells.
        """
        deciding = self.context.deciding
        turn_id = self.wanted.turn_id
        heard = await self._heard(turn_id)
        self.context.agents.check_prompt(
            self.command.provider, self.place.workspace_id, heard.prompt
        )
        ask, payloads = await self._ask(heard, turn_id)
        wanted = ask.requested
        own = streams.request(wanted.request_id)
        names = [
            streams.session(wanted.session_id),
            own,
            *filter(None, [ask.session_name, wanted.idempotency]),
        ]
        proposed = await deciding.propose(
            names,
            partial(request.decide, ask=ask),
            cause,
            payloads,
            new=() if self.again else (own,),
            linger=True,
        )
        if proposed.durable is None:
            raise RuntimeError("a request is a fact")
        return self._run(wanted, heard, requested=proposed.durable)

    async def _heard(self, turn_id: str) -> Prompt:
        context, command, seat = self.context, self.command, self.seat
        recalled = await recall(context, self.place, seat, command.provider)
        return await prompt_apart(
            context, command, seat, offered=self.offered, recalled=recalled, turn_id=turn_id
        )

    async def _ask(
        self, heard: Prompt, turn_id: str
    ) -> tuple[request.RequestTurn, tuple[SealedPayload, ...]]:
        log, command, seat = self.context.log, self.command, self.seat
        caller = command.caller
        prompt = await long_text.kept(log, caller.user_id, heard.prompt)
        told_more = heard.question != heard.prompt
        question = await long_text.kept(log, caller.user_id, heard.question if told_more else "")
        instructions = await long_text.kept(log, caller.user_id, heard.instructions)
        pictures = [
            (image.media_type, await log.seal(caller.user_id, image.data)) for image in heard.images
        ]
        requested = TurnRequested(
            session_id=seat.session_id,
            turn_id=turn_id,
            user_id=caller.user_id,
            workspace_id=self.place.workspace_id,
            request_id=command.request_id,
            key_id=caller.key_id,
            provider=command.provider,
            model=command.model,
            manual=command.manual,
            persistent=command.persistent,
            origin=seat.origin,
            caller=seat.base.caller or caller_of(command),
            chat=self.offered.chat,
            system=self.offered.system,
            thread=Thread() if seat.fork else seat.thread,
            fork=seat.fork,
            elsewhere=session.threads_elsewhere(
                seat.base, provider=command.provider, now=self.context.clock()
            ),
            heard=heard.after,
            dirty=seat.base.dirty,
            idempotency=self.idempotency,
            prompt=prompt.inline,
            prompt_payload=prompt.ref,
            question=question.inline,
            question_payload=question.ref,
            instructions=instructions.inline,
            instructions_payload=instructions.ref,
            images=tuple(Picture(media_type=kind, payload=box.ref) for kind, box in pictures),
        )
        ask = request.RequestTurn(
            requested=requested,
            accepted=self._accepted(requested),
            opened=self._opened(),
            session_name=seat.name_stream,
            based_on=seat.base,
            may_wait=seat.origin == NAMED,
            body_digest=command.body_digest,
            diverged=self._diverged(requested) if seat.diverged else None,
        )
        shown = (box for _, box in pictures)
        return ask, (*prompt.payloads, *question.payloads, *instructions.payloads, *shown)

    def _accepted(self, requested: TurnRequested) -> RequestAccepted:
        return RequestAccepted(
            request_id=self.command.request_id,
            user_id=self.command.caller.user_id,
            key_id=self.command.caller.key_id,
            turn_id=requested.turn_id,
            session_id=requested.session_id,
            trace_id=self.command.trace_id,
            stream=self.command.stream,
        )

    def _opened(self) -> SessionOpened:
        return SessionOpened(
            session_id=self.seat.session_id,
            user_id=self.command.caller.user_id,
            workspace_id=self.place.workspace_id,
            provider=self.command.provider,
            client_session_id=self.seat.label,
            origin=self.seat.origin,
            caller=caller_of(self.command),
            forked_from=self.seat.forked_from,
        )

    def _diverged(self, requested: TurnRequested) -> HistoryDiverged:
        return HistoryDiverged(
            session_id=requested.session_id,
            turn_id=requested.turn_id,
            recorded=self.seat.base.thread.point.entries,
            offered=len(self.offered.entries),
        )

    def _run(self, wanted: TurnRequested, heard: Prompt, *, requested: asyncio.Future[int]) -> Run:
        limits = self.context.limits
        keyed = self.command.idempotency_key is not None
        asked = AskedTurn(
            place=self.place,
            seat=self.seat,
            chat=self.offered.chat,
            history=self.offered.history(),
            standing=session.standing_thread(
                self.seat.base, provider=self.command.provider, now=self.context.clock()
            ),
            prompt=heard,
            requested=wanted,
        )
        grace = limits.keyed_disconnect_grace if keyed else limits.disconnect_grace
        return Run(
            command=self.command,
            asked=asked,
            requested=requested,
            wanted=self.wanted,
            waited=self.waited,
            grace=grace,
            began=self.began,
        )
