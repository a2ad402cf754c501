"""Fields that mean nothing to an agent: listed as ignored, or refused if that would mislead."""

from collections.abc import Mapping
from typing import Any

from codara.config.settings import ServerSettings
from codara.errors import InvalidRequest, UnsupportedParameter
from codara.http.openai.conversations import is_read

MOST_NAMED = 50
MOST_CHARACTERS = 100

_READ = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "response_format",
        "provider",
        "workspace_id",
        "client_session_id",
        "workspace_root",
        "manual_mode",
        "session_persistence",
        "queue",
        "codara_reasoning",
        "codara_events",
        "uag_options",
        "metadata",
    }
)
_LEFT_TO_THE_AGENT = frozenset({"none", "auto"})


def ignored_of(body: Mapping[str, Any], server: ServerSettings) -> tuple[str, ...]:
    """Returns the names of the fields that have no effect, in order; null counts as missing."""
    unread = (
        name
        for name, value in body.items()
        if value is not None and name not in _READ and not is_read(name, server)
    )
    named = (name[:MOST_CHARACTERS] for name, _ in zip(unread, range(MOST_NAMED), strict=False))
    return tuple(named)


def refuse_forced_tools(body: Mapping[str, Any]) -> None:
    """Refuses a request that demands a call of its own tools: an agent uses the tools it has.

    UnsupportedParameter names the field; InvalidRequest a value that is not OpenAI's.
    """
    choice, named = body.get("tool_choice"), body.get("function_call")
    _refuse_forced(choice, "tool_choice", is_forced=choice == "required" or _forces(choice))
    _refuse_forced(named, "function_call", is_forced=isinstance(named, dict))


def _refuse_forced(choice: Any, param: str, *, is_forced: bool) -> None:
    if is_forced:
        raise UnsupportedParameter(
            "An agent uses its own tools and calls none of the request's; "
            f"{param} must be none or auto.",
            param=param,
        )
    if choice is None or isinstance(choice, dict):
        return
    if not isinstance(choice, str) or choice not in _LEFT_TO_THE_AGENT:
        raise InvalidRequest(f"{param} must be none or auto.", param=param)


def _forces(choice: Any) -> bool:
    """Tells whether an object names a tool, or a set of tools of which one must be called."""
    if not isinstance(choice, dict):
        return False
    if choice.get("type") != "allowed_tools":
        return True
    allowed = choice.get("allowed_tools", choice)
    return not isinstance(allowed, dict) or allowed.get("mode") != "auto"
