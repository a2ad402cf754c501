"""What `opencode serve` is asked: for a session, and for the answer to a prompt."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from codara.adapters.agents.opencode.config import TALKER, TITLE, ModelName
from codara.adapters.agents.session.answers import AgentRefused
from codara.adapters.agents.session.lines import Message
from codara.application.ports.agents import AgentTurn

SESSION_PREFIX = "ses_"
"""Every session id begins so; asked for any other, opencode breaks."""
_ASKS_NOBODY = [
    {"permission": name, "pattern": "*", "action": "deny"}
    for name in ("question", "plan_enter", "plan_exit")
]
"""Tools that wait for a person, whom a turn does not have."""
SESSION = {"title": TITLE, "permission": _ASKS_NOBODY}
"""The body that asks for a new session."""
PERMISSION = {"permission": _ASKS_NOBODY}
"""The body that gives a copy what only the session has that it was copied from."""
UNREADABLE = "; perhaps a picture of the prompt cannot be read"
"""What opencode itself does not say when it refuses a prompt with pictures."""


async def before(posted: "asyncio.Task[Any]", decided: asyncio.Event) -> bool:
    """Says whether the answer is there before the decision."""
    deciding = asyncio.create_task(decided.wait())
    try:
        await asyncio.wait({posted, deciding}, return_when=asyncio.FIRST_COMPLETED)
        return posted.done()
    finally:
        deciding.cancel()


async def dropped(posted: "asyncio.Task[Any] | None") -> None:
    """Nobody wants the answer any more."""
    if posted is not None:
        posted.cancel()
        await asyncio.gather(posted, return_exceptions=True)


def answered(found: Any) -> Message:
    """The answer to a prompt: a message's `info` and `parts`; Refused if it is anything else."""
    match found:
        case {"info": {"id": _}, "parts": [*_]}:
            return dict(found)
        case _:
            raise AgentRefused("opencode gave no answer to the prompt")


def copying(messages: Sequence[Message], mark: str) -> Mapping[str, str] | None:
    """Returns the body that asks for a copy up to and with the message `mark`; None if unknown.

    opencode copies what stands before the message it is told, or everything if it knows no such
    message.
    """
    ids = [str(each["info"]["id"]) for each in messages]
    if mark not in ids:
        return None
    behind = ids[ids.index(mark) + 1 :]
    return {"messageID": behind[0]} if behind else {}


def message(turn: AgentTurn) -> Mapping[str, Any]:
    """Returns a prompt, its pictures and the system's words."""
    model = ModelName.of(turn.model)
    pictures = [
        {
            "type": "file",
            "mime": each.media_type,
            "filename": f"image-{at}",
            "url": f"data:{each.media_type};base64,{b64encode(each.data).decode()}",
        }
        for at, each in enumerate(turn.images, 1)
    ]
    return {
        "model": {"providerID": model.provider, "modelID": model.name},
        "parts": [{"type": "text", "text": turn.prompt}, *pictures],
        **({"agent": TALKER} if turn.toolless else {}),
        **({"variant": turn.effort} if turn.effort else {}),
        **({"system": turn.instructions} if turn.instructions else {}),
    }
