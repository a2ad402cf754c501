"""Trying: whether a request can be tried at all; one that cannot leaves no task and no session."""

from codara.application.turns import failures
from codara.application.turns.context import Context
from codara.application.turns.lending import refused_tally
from codara.errors import AgentMissing


async def refuse_hopeless(context: Context, provider: str) -> None:
    """Raises what only an operator can change: AgentMissing, NoAccount or AccountRefused."""
    await _refuse(context, provider, if_it_passes=False)


async def refuse_vain(context: Context, provider: str) -> None:
    """Raises the same, and AllAccountsCooling while every account waits for its time to come."""
    await _refuse(context, provider, if_it_passes=True)


async def _refuse(context: Context, provider: str, *, if_it_passes: bool) -> None:
    try:
        await context.agents.check_program(provider)
    except AgentMissing as missing:
        raise failures.not_installed(provider, missing) from missing
    counted = await refused_tally(context, provider)
    if counted is None or not (counted.is_for_an_operator or if_it_passes):
        return
    if refusal := counted.refusal(context.clock()):
        raise refusal
