"""Fields that mean nothing to an agent: listed as ignored, or refused if that would mislead."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any

from codara.config.settings import ServerSettings
from codara.errors import InvalidRequest, UnsupportedParameter
from codara.http.openai.conversations import is_read
from codara.http.openai.fields import OWN_FIELDS

MOST_NAMED = 50
MOST_CHARACTERS = 100

_READ = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "reasoning_effort",
        "response_format",
        "uag_options",
        "metadata",
        *OWN_FIELDS,
    }
)
_JSON_FORMATS = ("json_object", "json_schema")
_READ_WITHIN = {"stream_options": frozenset({"include_usage"}), "uag_options": OWN_FIELDS}
_LEFT_TO_THE_AGENT = frozenset({"none", "auto"})


def ignored_of(body: Mapping[str, Any], server: ServerSettings) -> tuple[str, ...]:
    """Returns the names of the fields that have no effect, in order; null counts as missing.

    Those of `stream_options` and `uag_options` come last. `metadata` may hold whatever its client
    likes. Up to 50 fields are named, each by up to 100 characters.
    """
    unread = (
        name
        for name, value in body.items()
        if value is not None and name not in _READ and not is_read(name, server)
    )
    within = (
        f"{place}.{name}"
        for place, read in _READ_WITHIN.items()
        for name, value in _fields_of(body.get(place))
        if value is not None and name not in read
    )
    found = islice(chain(unread, within), MOST_NAMED)
    return tuple(name[:MOST_CHARACTERS] for name in found)


def _fields_of(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def refuse_other_formats(body: Mapping[str, Any]) -> None:
    """Refuses a request for anything but text: an agent answers in prose, and promises no JSON.

    UnsupportedParameter for the other formats of OpenAI's; InvalidRequest for what is not one.
    """
    wanted = body.get("response_format")
    if wanted is None:
        return
    if not isinstance(wanted, dict):
        raise InvalidRequest("response_format must be an object.", param="response_format")
    kind = wanted.get("type")
    if kind in _JSON_FORMATS:
        raise UnsupportedParameter(
            f"An agent answers in prose and cannot promise {kind}: leave response_format out, "
            "or let its type be text, and ask for JSON in the prompt.",
            param="response_format",
        )
    if kind != "text":
        raise InvalidRequest(
            "response_format.type must be text; json_object and json_schema are OpenAI's others.",
            param="response_format.type",
        )


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
