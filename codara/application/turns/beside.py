"""Requests beside running turns: which one a request repeats, and which one gives way to it."""

from codara.application.turns.commands import RunTurn
from codara.application.turns.run import Run
from codara.application.turns.seat import caller_of
from codara.domain.conversation import Offered


def repeats(run: Run, command: RunTurn) -> bool:
    """Says whether a request is the one that the turn is running for, sent once more."""
    known = run.command
    return (
        not run.over
        and caller_of(known) == caller_of(command)
        and (known.session_label, known.workspace) == (command.session_label, command.workspace)
        and known.body_digest == command.body_digest
    )


def gives_way(run: Run, command: RunTurn, offered: Offered) -> bool:
    """Says whether a request takes the place of a turn whose clients have all left.

    It does in the same session or chat, with the same history before its last question, and where
    it goes on from that turn's question. A turn with an idempotency key waits for its client.
    """
    known, asked = run.command, run.asked
    if (
        command.aside
        or run.over
        or run.listeners
        or not run.was_heard
        or known.idempotency_key is not None
    ):
        return False
    if caller_of(known) != caller_of(command) or known.workspace != command.workspace:
        return False
    if command.session_label is not None and command.persistent:
        return command.session_label in (known.session_label, asked.session_id)
    same_chat = bool(offered.chat) and offered.chat == asked.chat
    same_history = bool(offered.history()) and offered.history() == asked.history
    goes_on = offered.said > 0 and offered.place_of(asked.prompt.after.point) is not None
    return known.session_label is None and (same_chat or same_history or goes_on)
