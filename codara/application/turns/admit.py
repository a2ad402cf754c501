"""Admit: who asks, in which session and workspace, for what; then *requested* is appended."""

import asyncio
from functools import partial
from pathlib import Path

import attrs

from codara.application.turns import texts
from codara.application.turns.commands import RunTurn
from codara.application.turns.live import Asked, Run
from codara.application.turns.means import Means
from codara.domain import history, session, turn
from codara.domain.name import Name
from codara.domain.workspace import Workspace
from codara.errors import InvalidRequest, NotFound
from codara.events import streams
from codara.events.base import Cause
from codara.events.payloads import SealedPayload
from codara.events.request import RequestAccepted
from codara.events.session import HistoryDiverged, SessionOpened, Thread, TurnRequested


@attrs.frozen(kw_only=True)
class Seat:
    """The session a turn belongs to: its id, its label, and the stream that keeps it unique."""

    session_id: str
    label: str
    name_stream: str | None


@attrs.frozen(kw_only=True)
class Heard:
    """What the agent is to hear, and what its thread has heard then."""

    kind: str
    """`new`, `resumed` or `fresh`."""
    prompt: str
    fresh_prompt: str
    """The same, should the thread be lost: all that the client has told of the conversation."""
    instructions: str
    before: Thread
    after: Thread
    diverged: bool


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
    """One request at the point of becoming a turn."""

    means: Means
    command: RunTurn
    place: Workspace
    seat: Seat

    async def admit(self, cause: Cause) -> Run:
        """Appends *requested* and returns the turn, which waits for its start.

        SessionBusy while the session runs another turn; VersionClash when the session, its name
        or the idempotency key are no longer what they were a moment ago.
        """
        began = asyncio.get_running_loop().time()
        deciding = self.means.deciding
        base: session.Session = await deciding.state(streams.session(self.seat.session_id))
        session.refuse_if_busy(base)
        heard = self.hear(base)
        ask, payloads = await self._ask(base, heard)
        wanted = ask.requested
        names = [
            streams.session(wanted.session_id),
            streams.request(wanted.request_id),
            *filter(None, [ask.session_name, wanted.idempotency]),
        ]
        decided = await deciding.decide(names, partial(turn.request, ask=ask), cause, payloads)
        return self._run(wanted, heard, position=decided.position or 0, began=began)

    def hear(self, base: session.Session) -> Heard:
        """Compares the client's history with what the agent's thread has heard."""
        means, command = self.means, self.command
        thread = session.standing_thread(base, provider=command.provider, now=means.clock())
        pairs = [(message.role, message.text) for message in command.messages]
        compared = history.compare(thread, pairs, partial(means.keys.digest, "message"))
        whole = history.render_history(pairs)
        prompt = whole if compared.whole else "\n\n".join(compared.new)
        resumes = thread.backend_id is not None and not compared.diverged
        return Heard(
            kind="resumed" if resumes else "fresh" if base.exists else "new",
            prompt=prompt,
            fresh_prompt=whole if len(pairs) > 1 else prompt,
            instructions=history.instructions(pairs),
            before=Thread() if compared.diverged else thread,
            after=compared.thread,
            diverged=compared.diverged,
        )

    async def _ask(
        self, base: session.Session, heard: Heard
    ) -> tuple[turn.Request, tuple[SealedPayload, ...]]:
        log, command = self.means.log, self.command
        caller = command.caller
        prompt = await texts.kept(log, caller.user_id, heard.prompt)
        instructions = await texts.kept(log, caller.user_id, heard.instructions)
        requested = TurnRequested(
            session_id=self.seat.session_id,
            turn_id=self.means.new_id("trn"),
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
        return ask, (*prompt.payloads, *instructions.payloads)

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

    def _run(self, requested: TurnRequested, heard: Heard, *, position: int, began: float) -> Run:
        limits, place = self.means.limits, self.place
        keyed = self.command.idempotency_key is not None
        asked = Asked(
            turn_id=requested.turn_id,
            session_id=self.seat.session_id,
            client_session_id=self.seat.label,
            workspace_id=place.workspace_id,
            workspace=place.label,
            folder=Path(place.folder),
            thread_kind=heard.kind,
            thread=heard.before,
            heard=heard.after,
            idempotency=requested.idempotency,
            prompt=heard.prompt,
            fresh_prompt=heard.fresh_prompt,
            instructions=heard.instructions,
            position=position,
        )
        grace = limits.keyed_disconnect_grace if keyed else limits.disconnect_grace
        return Run(command=self.command, grace=grace, began=began, asked=asked)
