"""Whether a chat program asks something beside a chat: a title, tags, follow-up questions."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from codara.application.turns.commands import Message
from codara.http.openai.aside_forms import Template, Wrapped
from codara.http.openai.aside_templates import AFTER_THE_CHAT, IN_ONE_MESSAGE, WITH_RULES

ENDING = ":aside"
_LONGEST_AFTERTHOUGHT = 600
_RULES = frozenset({"system", "developer"})
_ANSWERS = frozenset({"assistant", "tool"})


def is_aside(body: Mapping[str, Any], messages: Sequence[Message], model: str) -> bool:
    """Tells whether the request is asked beside a chat: it says so, or fits a known template.

    It says so by its model's ending, or by a task in its metadata. The caller must check two more
    things: a request that names a session is not an aside, and a gateway may have asides turned
    off.
    """
    if plain_model(model)[1] or _names_a_task(body.get("metadata")):
        return True
    wants_tools = bool(body.get("tools") or body.get("functions"))
    return not wants_tools and known_template(messages) is not None


def plain_model(model: str) -> tuple[str, bool]:
    """Returns the model that runs, and whether the name had the ending that asks for an aside."""
    return model.removesuffix(ENDING), model.endswith(ENDING)


def known_template(messages: Sequence[Message]) -> Template | None:
    """Returns the template that the messages as a whole fit; None if they fit none."""
    if not messages:
        return None
    after = _after_the_chat(messages)
    if after is not None:
        return after
    if any(message.role in _ANSWERS for message in messages):
        return None
    said = [message.text for message in messages if message.role == "user"]
    rules = [message.text for message in messages if message.role in _RULES]
    return _in_one_message(said or rules) or _with_rules(rules, said)


def _names_a_task(metadata: Any) -> bool:
    task = metadata.get("task") if isinstance(metadata, dict) else None
    return isinstance(task, str) and bool(task.strip())


def _after_the_chat(messages: Sequence[Message]) -> Template | None:
    last = messages[-1]
    if last.role in _ANSWERS or len(last.text) > _LONGEST_AFTERTHOUGHT:
        return None
    found = _fitting(AFTER_THE_CHAT, last.text)
    before = islice(messages, len(messages) - 1)
    if found is None or all(message.role in _RULES for message in before):
        return None
    return found


def _in_one_message(texts: Sequence[str]) -> Template | None:
    """Some programs send the one message as a system message."""
    return _fitting(IN_ONE_MESSAGE, texts[0]) if len(texts) == 1 else None


def _with_rules(rules: Sequence[str], said: Sequence[str]) -> Template | None:
    if not rules or not said:
        return None
    told = Wrapped.of("\n".join(rules))
    likely = [each for each in WITH_RULES if each.rules is not None and each.rules.fits(told)]
    return _fitting(likely, "\n".join(said)) if likely else None


def _fitting(templates: Sequence[Template], text: str) -> Template | None:
    read = Wrapped.of(text)
    return next((each for each in templates if each.user.fits(read)), None)
