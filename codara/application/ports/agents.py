"""Agents: who runs a turn, and how it ended."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import attrs

from codara.application.ports.frames import Frame
from codara.events.vocabulary import FinishReason

LONGEST_ID = 256

Permission = Callable[[], Awaitable[None]]
"""Returns once an agent may hear of its turn, or raises what keeps the turn from it."""


def sane_id(backend_id: str | None) -> str | None:
    """The agent's own id of a thread; None for what is too long to be one."""
    return backend_id if backend_id and len(backend_id) <= LONGEST_ID else None


@attrs.frozen(kw_only=True)
class Outcome:
    """How the agent's turn ended, decided by everything that was seen.

    `status` is completed, failed or interrupted. `cause` of a failure: auth_failed,
    quota_exhausted, rate_limited, overloaded, context_full, unknown_model, unknown_session,
    cut_stream, length, content_filter, stalled, timeout, killed, jail, crashed, protocol. The first
    four blame the account or its provider: they say what the provider was seen to answer, not what
    the agent tells of it. `finish_reason` of a completed one is stop; length or content_filter if
    the answer was cut.
    """

    status: str
    cause: str | None = None
    message: str = ""
    backend_id: str | None = attrs.field(default=None, converter=sane_id)
    resets_at: datetime | None = None
    jailed: bool = True
    finish_reason: FinishReason = "stop"


async def at_once() -> None:
    """The permission of a turn that waits for nothing."""


@attrs.frozen
class Image:
    """A picture in the prompt: its media type (``image/png``) and its bytes."""

    media_type: str
    data: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Fork:
    """Where a thread branches: after the point `mark` of the thread `backend_id`.

    `mark` is what `MarkSeen` told at the end of some turn of that thread. The thread itself stays
    as it is.
    """

    backend_id: str
    mark: str


@attrs.frozen(kw_only=True)
class AgentTurn:
    """One turn, as the agent gets it.

    `instructions` are the system messages; `prompt` is the text the agent has not heard yet, with
    `images` after it; `backend_id` is the thread to go on with, None for a fresh one. With `fork`
    (and no `backend_id`) the agent goes on with a copy of another thread of the same home, and
    tells the copy's id by `BackendSeen`. Should the agent have lost that thread or point, a fresh
    one hears `fresh_prompt` and `fresh_images` instead, and `Warned(FRESH_THREAD)` says so.
    `toolless` says that the agent may only talk: it has no tools, or as few as its CLI can do with.
    `until` bounds the whole turn, `stall_timeout` (seconds, 0: off) the time without progress.
    `on_login` says that the account is a CLI's login, not a key; it and `account_id` mean nothing
    while a turn is only prepared. Everything may be made ready for the turn before it is
    `permitted`, but the agent is told nothing of it.
    """

    turn_id: str
    user_id: str
    workspace_id: str
    folder: Path
    provider: str
    model: str
    account_id: str
    on_login: bool = False
    instructions: str
    prompt: str
    fresh_prompt: str
    images: tuple[Image, ...] = ()
    fresh_images: tuple[Image, ...] = ()
    backend_id: str | None
    fork: Fork | None = None
    read_only: bool
    until: datetime
    stall_timeout: float
    toolless: bool = False
    permitted: Permission = attrs.field(default=at_once, repr=False)

    def afresh(self) -> "AgentTurn":
        """The turn as a thread has to hear it that has heard nothing."""
        return attrs.evolve(self, prompt=self.fresh_prompt, images=self.fresh_images)


class FrameSink(Protocol):
    """Where an agent's output goes, as it comes. Neither call waits."""

    def raw(self, line: bytes) -> None:
        """One line as the agent wrote it, without its line end."""

    def frame(self, frame: Frame) -> None:
        """What the line means to us."""


class Agents(Protocol):
    """The agents of all providers, kept warm."""

    def prepare(self, turn: AgentTurn) -> None:
        """Starts the process that the turn will need, where that needs no account; never waits.

        Of the turn only workspace, folder, provider, model, instructions, `read_only` and
        `toolless` count.
        """

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """Runs one turn to its end.

        An agent's failure is an Outcome, not an exception; JailUnavailable is raised where no
        jail can be made, AgentFailed where the binary is missing or not executable or the account
        is gone, Overloaded where no process became free in time; and whatever the turn's permission
        raises, the agent having heard nothing. Cancelled,
        it interrupts the agent by its protocol, kills the jail after a grace, and returns the
        cancellation with nothing left running that could still write to the workspace.
        """

    async def empty_home(self, workspace_id: str) -> None:
        """Removes all homes of a workspace with everything in them; harmless when there are none.

        Its agents are ended first; a turn at work in one of them is waited for, and those that come
        meanwhile wait until it is done.
        """

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        """Removes threads from a home; those that are not there are passed over.

        A turn at work in the home, in whatever thread, is waited for, and those that come meanwhile
        wait. A thread that others were forked from and need goes with the last of them, and is lost
        to turns from now on. AgentFailed where the CLI does not do it; where it takes a process,
        Overloaded if none became free in time, and JailUnavailable. What was forgotten by then
        stays so.
        """

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        """How much a home takes on the disk, without what the agent would use again; 0 if none."""

    def takes_images(self, provider: str) -> bool:
        """Whether the provider's CLI can be given pictures."""

    def forks(self, provider: str) -> bool:
        """Whether the provider's CLI can branch a thread at an earlier point of it."""

    async def models(self, provider: str) -> Sequence[str]:
        """The models the provider's CLI lists; from a cache, never waiting for it or a vendor.

        AgentFailed where the CLI is missing.
        """

    def learn(self, provider: str) -> None:
        """Has the provider's CLI asked what it lists, unless that is known; never waits.

        At most once, and once more at the provider's next turn if that was in vain.
        """
