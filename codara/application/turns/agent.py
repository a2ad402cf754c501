"""The agent at work on a turn, from its preparation to its outcome."""

from datetime import datetime, timedelta

import attrs

from codara.application.ports.agents import AgentTurn, Elsewhere, Fork, Outcome
from codara.application.turns.context import Context
from codara.application.turns.run import AskedTurn, Run
from codara.application.turns.sink import AgentSink
from codara.domain import account, credential
from codara.events import streams


async def run_agent(context: Context, run: Run, heard: AgentSink, elsewhere: Elsewhere) -> Outcome:
    """Lets the agent work until its turn has ended, one way or another; NotStarted if it never may.

    It gets ready while *started* is on its way to the disk.
    """
    running = run.running
    if running is None:
        raise RuntimeError("a turn runs after its start was decided")
    account_id = running.choice.account_id
    lent: account.Account = await context.deciding.state(streams.account(account_id))
    on_login = lent.auth_type == credential.OAUTH_SESSION
    lent_turn = _agent_turn(context, run, running.until, account_id=account_id, on_login=on_login)
    return await context.agents.run(attrs.evolve(lent_turn, elsewhere=elsewhere), heard)


def prepare_agent(context: Context, run: Run) -> None:
    """Lets the agent of a known session start while the turn waits for its place."""
    if run.asked.seat.kind != "new":
        patience = context.limits.patience[run.command.provider]
        until = context.clock() + timedelta(seconds=patience.turn_timeout)
        context.agents.prepare(_agent_turn(context, run, until))


def _agent_turn(
    context: Context, run: Run, until: datetime, *, account_id: str = "", on_login: bool = False
) -> AgentTurn:
    """The turn as its agent gets it; before there is an account, for what can be prepared."""
    asked, command = run.asked, run.command
    return AgentTurn(
        turn_id=asked.turn_id,
        user_id=command.caller.user_id,
        workspace_id=asked.workspace_id,
        folder=asked.folder,
        provider=command.provider,
        model=command.model,
        account_id=account_id,
        on_login=on_login,
        instructions=asked.prompt.instructions,
        prompt=asked.prompt.prompt,
        fresh_prompt=asked.prompt.fresh_prompt,
        images=asked.prompt.images,
        fresh_images=asked.prompt.fresh_images,
        backend_id=asked.requested.thread.backend_id,
        fork=_fork(asked),
        read_only=command.manual or command.aside,
        toolless=command.aside,
        effort=command.effort,
        until=until,
        stall_timeout=context.limits.patience[command.provider].stall_timeout,
        permitted=run.permitted,
    )


def _fork(asked: AskedTurn) -> Fork | None:
    if asked.seat.fork is None:
        return None
    return Fork(backend_id=asked.seat.fork.backend_id, mark=asked.seat.fork.mark)
