"""Two turns of one session through the official `openai` client, printed as they come."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from codara.errors import CodaraError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SESSION = "demo"
PROMPTS = (
    "Write a file hello.md that greets the reader.",
    "Now add a line to hello.md.",
)
_SECONDS = 120.0

Say = Callable[[str], None]


@attrs.frozen
class Printed:
    """What one turn told at its end."""

    thread: str
    backend_id: str | None
    position: int


def client(address: str, key: str) -> "AsyncOpenAI":
    """Returns the official client for a gateway; CodaraError if the package is not installed."""
    try:
        from openai import AsyncOpenAI  # noqa: PLC0415 # only the demo needs it
    except ImportError:
        raise CodaraError("The demo needs the openai package: pip install openai") from None
    return AsyncOpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=_SECONDS)


async def talk(openai: "AsyncOpenAI", model: str, say: Say) -> int:
    """Runs the turns; gives the position of the last one's end.

    CodaraError if one fails, or if the second does not go on with the first.
    """
    told = [await turn(openai, model, prompt, say) for prompt in PROMPTS]
    first, second = told[0], told[-1]
    if second.thread != "resumed" or second.backend_id != first.backend_id:
        raise CodaraError("The second turn did not go on with the first one's thread.")
    return second.position


async def turn(openai: "AsyncOpenAI", model: str, prompt: str, say: Say) -> Printed:
    """One turn as a stream: the text as it comes, then the diff and the actions."""
    from openai import OpenAIError  # noqa: PLC0415

    say(f"\n> {prompt}\n")
    end: dict[str, Any] = {}
    try:
        stream = await openai.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            extra_body={"client_session_id": SESSION, "workspace_id": SESSION},
        )
        async for chunk in stream:
            end |= chunk.model_extra or {}
            if chunk.choices and chunk.choices[0].delta.content:
                say(chunk.choices[0].delta.content)
    except OpenAIError as failed:
        raise CodaraError(f"The turn failed: {failed}") from failed
    if "codara" not in end:
        raise CodaraError("The stream ended without its last part.")
    show_changes(end, say)
    about = end["codara"]
    return Printed(about["thread"], about.get("backend_id"), int(about["position"]))


def show_changes(end: dict[str, Any], say: Say) -> None:
    """The diff and the actions of a turn, and how it belongs to its session."""
    about = end["codara"]
    say(f"\n\n[{about['task_id']}, thread {about['thread']}]\n")
    say(f"\n{end['diff'].rstrip() or 'no changes'}\n\n")
    for action in end["actions"]:
        where = action.get("path") or ", ".join(action.get("paths") or ()) or "-"
        say(f"action {action['action_id']}  {action['type']}  {action['format']}  {where}\n")
