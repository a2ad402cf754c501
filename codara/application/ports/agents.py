"""Agents: what runs a turn, and how it ended."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import attrs

from codara.application.ports.frames import Frame
from codara.events.vocabulary import FinishReason

LONGEST_ID = 256
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""How hard a model may be asked to think, in the words of the vendors, the least first."""

Permission = Callable[[], Awaitable[None]]
"""Returns once the agent may be told of its turn, or raises what forbids it."""


Elsewhere = Callable[[], Awaitable[bool]]
"""Tells whether another account could take the turn now, and nothing has come of the turn yet."""


def sane_id(backend_id: str | None) -> str | None:
    """Returns the agent's own id of a thread; None if it is empty or too long to be one."""
    return backend_id if backend_id and len(backend_id) <= LONGEST_ID else None


@attrs.frozen(kw_only=True)
class Outcome:
    """How the agent's turn ended, decided from everything that was observed.

    `status` is completed, failed or interrupted. `cause` of a failure is one of: auth_failed,
    quota_exhausted, rate_limited, overloaded, unreachable, context_full, unknown_model,
    unknown_session, cut_stream, length, content_filter, stalled, timeout, killed, jail, crashed,
    protocol. The first five blame the account or its provider: they say what the provider was seen
    to answer, not what the agent says of it. `message` is for operators: it may hold the words of
    the agent or of its vendor. `told` is a sentence of ours for the caller, where the cause alone
    says too little. `finish_reason` of a completed turn is stop; length or content_filter if the
    answer was cut.
    """

    status: str
    cause: str | None = None
    message: str = ""
    told: str = ""
    backend_id: str | None = attrs.field(default=None, converter=sane_id)
    resets_at: datetime | None = None
    jailed: bool = True
    finish_reason: FinishReason = "stop"


async def at_once() -> None:
    """Permits a turn that waits for nothing."""


async def nowhere() -> bool:
    """Knows of no other account."""
    return False


@attrs.frozen
class Image:
    """A picture in the prompt: its media type (such as ``image/png``) and its bytes."""

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

    `instructions` are the system messages. `prompt` is the text that the agent has not heard yet,
    with `images` after it. `backend_id` is the thread to go on with; None for a fresh one.

    With `fork` (and no `backend_id`) the agent goes on with a copy of another thread of the same
    home, and tells the copy's id by `BackendSeen`. If the agent has lost that thread or point, a
    fresh thread is told `fresh_prompt` and `fresh_images` instead, and `Warned(FRESH_THREAD)` says
    so.

    `toolless`: the agent may only talk, and has as few tools as its CLI can do with. `effort` is
    one of those that the provider takes (`Agents.efforts`), for this turn alone; None leaves it to
    the agent. `until` bounds
    the whole turn; `stall_timeout` (seconds, 0: off) bounds the time without progress. `on_login`:
    the account is a CLI's login, not a key. `on_login` and `account_id` mean nothing while a turn
    is only prepared. Everything may be made ready before the turn is `permitted`, but the agent is
    told nothing of the turn until then. If the provider refuses the account and the agent waits
    until it may ask again, it is stopped as soon as the turn could go on `elsewhere`.
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
    effort: str | None = None
    permitted: Permission = attrs.field(default=at_once, repr=False)
    elsewhere: Elsewhere = attrs.field(default=nowhere, repr=False)

    def afresh(self) -> "AgentTurn":
        """Returns the turn as a thread has to be told it that has heard nothing yet."""
        return attrs.evolve(self, prompt=self.fresh_prompt, images=self.fresh_images)


class FrameSink(Protocol):
    """Takes an agent's output as it comes. Neither method waits."""

    def raw(self, line: bytes) -> None:
        """Takes one line as the agent wrote it, without its line end."""

    def frame(self, frame: Frame) -> None:
        """Takes what the line means, in our words."""


class Agents(Protocol):
    """The agents of all providers, kept running between turns."""

    def prepare(self, turn: AgentTurn) -> None:
        """Starts the process that the turn will need, if that takes no account; never waits.

        Uses only the turn's workspace, folder, provider, model, effort, instructions, `read_only`
        and `toolless`.
        """

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """Runs one turn to its end and returns its outcome.

        An agent's failure is an Outcome, not an exception. JailUnavailable if no jail can be made;
        AgentMissing if the program is not installed; AgentFailed if it cannot be run, or the
        account is gone; Overloaded if no process became free in time; and what the turn's
        permission raises, before the agent has been told anything.

        If it is cancelled, it interrupts the agent by its protocol, kills the jail after a grace,
        and raises the cancellation once nothing runs that could still write to the workspace.
        """

    async def empty_home(self, workspace_id: str) -> None:
        """Removes all homes of a workspace with everything in them; harmless if it has no home.

        The workspace's agents are ended first. A turn at work there is waited for, and turns that
        come meanwhile wait until the homes are removed.
        """

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        """Removes threads from a home; those that are not there are passed over.

        A turn at work in the home, in whatever thread, is waited for, and turns that come meanwhile
        wait. A thread that others were forked from and still need goes with the last of them, but
        no turn can go on with it. AgentFailed if the CLI does not remove them; if that takes a
        process, Overloaded if none became free in time, and JailUnavailable. What was removed by
        then stays removed.
        """

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        """Returns how many bytes a home takes on the disk; 0 if it does not exist.

        What the agent would use again, whatever its threads, does not count.
        """

    def takes_images(self, provider: str) -> bool:
        """Tells whether the provider's CLI can be given pictures."""

    def efforts(self, provider: str) -> Collection[str]:
        """Returns those of EFFORTS that the provider's CLI takes; empty if it takes none."""

    def forks(self, provider: str) -> bool:
        """Tells whether the provider's CLI can branch a thread at an earlier point."""

    async def check_program(self, provider: str) -> None:
        """Raises AgentMissing if the provider's CLI is not installed; waits for nobody."""

    def check_prompt(self, provider: str, workspace_id: str, prompt: str) -> None:
        """Raises ContextLengthExceeded if the provider's CLI cannot take so long a prompt at once.

        How much a model takes is another question: the CLI may still say that it is too much.
        """

    async def models(self, provider: str) -> Sequence[str]:
        """Returns the models that the provider's CLI lists, from a cache; waits for nobody.

        AgentMissing if the CLI is not installed.
        """

    def titles(self, provider: str) -> Mapping[str, str]:
        """Returns what the CLI calls its models before people, by name, as far as it is known."""

    def learn(self, provider: str) -> None:
        """Has the provider's CLI asked for its models, unless they are known; never waits.

        It is asked once; if that fails, once more at the provider's next turn.
        """
