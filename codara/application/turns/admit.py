"""Admit: who asks, in which session and workspace, for what; then *requested* is appended."""

import asyncio
import time
from functools import partial
from pathlib import Path

import attrs

from codara.application.turns import texts
from codara.application.turns.commands import RunTurn
from codara.application.turns.hearing import Heard, hear
from codara.application.turns.live import Asked, Run
from codara.application.turns.means import Means
from codara.domain import session, turn
from codara.domain.name import Name
from codara.domain.workspace import Workspace
from codara.errors import InvalidRequest, NotFound
from codara.events import streams
from codara.events.base import Cause
from codara.events.payloads import SealedPayload
from codara.events.request import RequestAccepted
from codara.events.session import HistoryDiverged, Picture, SessionOpened, TurnRequested


@attrs.frozen(kw_only=True)
class Seat:
    """The session a turn belongs to: its id, its label, and the stream that keeps it unique."""

    session_id: str
    label: str
    name_stream: str | None


def idempotency_stream(means: Means, command: RunTurn) -> str | None:
    """Where the request's idempotency key is claimed; None without one."""
    if command.idempotency_key is None:
        return None
    owner = command.caller.key_id or command.caller.actor
    return streams.idempotency(means.keys.digest("idempotency", owner, command.idempotency_key))


async def find_seat(means: Means, command: RunTurn, workspace_id: str) -> Seat:
    """The session that the request names; NotFound for an id that is not the caller's."""
    label = command.session_label
    if not command.persistent:
        return Seat(session_id=means.new_id("ses"), label=label, name_stream=None)
    if label.startswith("ses_"):
        known: session.Session = await means.deciding.state(streams.session(label))
        if known.user_id != command.caller.user_id:
            raise NotFound(f"There is no session {label}.", param="client_session_id")
        if known.workspace_id != workspace_id:
            raise InvalidRequest(
                f"Session {label} belongs to workspace {known.workspace_id}.",
                param="workspace_id",
            )
        return Seat(session_id=label, label=label, name_stream=None)
    named = means.keys.digest("session", command.caller.user_id, workspace_id, label)
    stream = streams.name(named)
    held: Name = await means.deciding.state(stream)
    return Seat(session_id=held.owner or means.new_id("ses"), label=label, name_stream=stream)


@attrs.frozen(kw_only=True)
class Admission:
    """One request at the point of becoming a turn; `again` after a clash.

    Then nothing is taken for granted: a client may have used the request's id before.
    """

    means: Means
    command: RunTurn
    place: Workspace
    seat: Seat
    again: bool = False

    async def admit(self, cause: Cause) -> Run:
        """Queues *requested* and returns the turn, which may go on to its start meanwhile.

        SessionBusy while the session runs another turn; VersionClash when the session, its name
        or the idempotency key are no longer what they were a moment ago. That, or a full disk, may
        also come out when it is written: `Run.requested` tells.
        """
        began = time.monotonic()
        deciding = self.means.deciding
        base: session.Session = await deciding.state(streams.session(self.seat.session_id))
        session.refuse_if_busy(base)
        turn_id = self.means.new_id("trn")
        heard = await hear(self.means, self.command, base, turn_id)
        ask, payloads = await self._ask(base, heard, turn_id)
        wanted = ask.requested
        request = streams.request(wanted.request_id)
        names = [
            streams.session(wanted.session_id),
            request,
            *filter(None, [ask.session_name, wanted.idempotency]),
        ]
        proposed = await deciding.propose(
            names,
            partial(turn.request, ask=ask),
            cause,
            payloads,
            new=() if self.again else (request,),
            linger=True,
        )
        if proposed.durable is None:
            raise RuntimeError("a request is a fact")
        return self._run(wanted, heard, requested=proposed.durable, began=began)

    async def _ask(
        self, base: session.Session, heard: Heard, turn_id: str
    ) -> tuple[turn.Request, tuple[SealedPayload, ...]]:
        log, command = self.means.log, self.command
        caller = command.caller
        prompt = await texts.kept(log, caller.user_id, heard.prompt)
        instructions = await texts.kept(log, caller.user_id, heard.instructions)
        pictures = [
            (image.media_type, await log.seal(caller.user_id, image.data)) for image in heard.images
        ]
        requested = TurnRequested(
            session_id=self.seat.session_id,
            turn_id=turn_id,
            user_id=caller.user_id,
            workspace_id=self.place.workspace_id,
            request_id=command.request_id,
            key_id=caller.key_id,
            provider=command.provider,
            model=command.model,
            manual=command.manual,
            persistent=command.persistent,
            thread=heard.before,
            heard=heard.after,
            dirty=base.dirty,
            idempotency=idempotency_stream(self.means, command),
            prompt=prompt.inline,
            prompt_payload=prompt.ref,
            instructions=instructions.inline,
            instructions_payload=instructions.ref,
            images=tuple(Picture(media_type=kind, payload=box.ref) for kind, box in pictures),
        )
        ask = turn.Request(
            requested=requested,
            accepted=self._accepted(requested),
            opened=self._opened(),
            session_name=self.seat.name_stream,
            based_on=base,
            body_digest=command.body_digest,
            diverged=self._diverged(requested, base) if heard.diverged else None,
        )
        shown = (box for _, box in pictures)
        return ask, (*prompt.payloads, *instructions.payloads, *shown)

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
        )

    def _diverged(self, requested: TurnRequested, base: session.Session) -> HistoryDiverged:
        return HistoryDiverged(
            session_id=requested.session_id,
            turn_id=requested.turn_id,
            recorded=base.thread.messages,
            offered=sum(message.role == "user" for message in self.command.messages),
        )

    def _run(
        self, wanted: TurnRequested, heard: Heard, *, requested: asyncio.Future[int], began: float
    ) -> Run:
        limits, place = self.means.limits, self.place
        keyed = self.command.idempotency_key is not None
        asked = Asked(
            turn_id=wanted.turn_id,
            session_id=self.seat.session_id,
            client_session_id=self.seat.label,
            workspace_id=place.workspace_id,
            workspace=place.label,
            folder=Path(place.folder),
            thread_kind=heard.kind,
            thread=heard.before,
            heard=heard.after,
            fresh=heard.fresh,
            idempotency=wanted.idempotency,
            prompt=heard.prompt,
            fresh_prompt=heard.fresh_prompt,
            images=heard.images,
            fresh_images=heard.fresh_images,
            instructions=heard.instructions,
        )
        grace = limits.keyed_disconnect_grace if keyed else limits.disconnect_grace
        return Run(command=self.command, grace=grace, began=began, asked=asked, requested=requested)
