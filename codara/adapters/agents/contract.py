"""What the pool asks of a runtime: a module that satisfies `Runtime` is a new agent."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs

from codara.adapters.agents.home.programs import Program
from codara.adapters.agents.session.bounds import PromptBound
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome


class AgentSession(Protocol):
    """An agent at work in one home; it runs one turn at a time."""

    @property
    def keeps(self) -> bool:
        """Whether it is worth keeping between turns."""

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done as soon as the agent can run no further turn."""

    def serves(self, turn: AgentTurn) -> bool:
        """Says whether a turn of this home can run in it as it was started."""

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """Runs a turn to its end; cancelled, it leaves nothing running and then raises.

        It awaits `turn.permitted` before the agent is told anything of the turn. What that raises
        goes on to the caller, and the agent is as it was.
        """

    async def close(self) -> None:
        """Ends the agent and everything it started; returns when all of it is gone."""


@runtime_checkable
class Answering(Protocol):
    """A session that can be asked, cheaply, whether it still answers."""

    async def answers(self) -> bool:
        """False if it is no longer fit for a turn."""


@runtime_checkable
class Early(Protocol):
    """A runtime whose sessions may be opened ahead of a turn, before it has an account."""

    def opens_early(self, turn: AgentTurn) -> bool:
        """Says whether one opened for a turn as it is expected is likely to serve it."""


@runtime_checkable
class TakesEffort(Protocol):
    """A runtime whose turns may say how hard the model is to think."""

    @property
    def efforts(self) -> Collection[str]:
        """The values of `AgentTurn.effort` that it takes, each for one turn."""


@runtime_checkable
class Installed(Protocol):
    """A runtime whose program can be looked at; every runtime with a real CLI is one."""

    @property
    def name(self) -> str: ...

    @property
    def tested(self) -> str:
        """How the versions begin that are known to work."""

    def program(self) -> Program:
        """AgentMissing with the remedy if it is not there. Touches the disk."""

    async def version(self) -> str:
        """Returns what it says of itself; AgentFailed if it cannot be asked."""


@runtime_checkable
class Bounded(Protocol):
    """A runtime that knows how much its CLI takes at once; every runtime with a real CLI is one."""

    @property
    def name(self) -> str: ...

    def prompt_bound(self, workspace_id: str) -> PromptBound | None:
        """Returns the bound that a turn in this workspace is likely to meet; None for no bound."""


@runtime_checkable
class ListsModels(Protocol):
    """A runtime whose CLI can be asked which models it has."""

    @property
    def name(self) -> str: ...

    def titles(self) -> Mapping[str, str]:
        """What its CLI calls the models before people, by name, as far as it is known by now."""

    async def learn(self) -> None:
        """Asks, in a jail of its own and on no account, unless this version's list is known.

        AgentFailed if the CLI does not say, JailUnavailable where no jail can be made.
        """


@attrs.frozen(kw_only=True)
class Hello:
    """How an agent answered: by which transport, to what, and what was wrong with the first one."""

    transport: str
    answered: str
    trouble: str = ""


@runtime_checkable
class Greeting(Protocol):
    """A runtime whose agent can be said hello to."""

    async def hello(self) -> Hello:
        """Has the agent answer in a jail of its own, on no account, and ends it.

        AgentFailed if it does not, JailUnavailable where no jail can be made.
        """


@runtime_checkable
class Keeping(Protocol):
    """A runtime that keeps homes; every runtime with a real CLI is one."""

    @property
    def forgets_by_agent(self) -> bool:
        """Whether it takes an agent to forget threads: one is started where none is in the home."""

    async def clear(self, workspace_id: str) -> None:
        """Removes all homes of a workspace, in which no agent is, and what is known of them."""

    async def forget(
        self, workspace_id: str, backend_ids: Sequence[str], session: AgentSession | None
    ) -> None:
        """Removes threads from a home, in which no turn is at work; see `ports.Agents.forget`.

        `session` is the agent that rests in it, if there is one: it may be ended by this.
        """

    async def home_bytes(self, workspace_id: str) -> int:
        """See `ports.Agents.home_bytes`."""


class Runtime(Protocol):
    """A kind of agent.

    At most `max_processes` sessions are open at once; one unused for `idle_seconds` is closed.
    """

    @property
    def name(self) -> str: ...

    @property
    def max_processes(self) -> int: ...

    @property
    def idle_seconds(self) -> float: ...

    @property
    def takes_images(self) -> bool:
        """Whether a turn may carry pictures."""

    @property
    def forks(self) -> bool:
        """Whether a thread can be branched: its sessions run turns with a `fork`, and say marks."""

    async def open(self, turn: AgentTurn) -> AgentSession:
        """Starts the agent in the turn's home.

        Raises AgentMissing where the binary is missing or not executable, JailUnavailable where no
        jail can be made. Cancelled, it leaves nothing running.
        """

    def models(self) -> Sequence[str]:
        """What the CLI lists, as far as it is known by now; whether it is there does not matter."""
