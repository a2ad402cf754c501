"""OpenAI's Responses API as the agent CLI speaks it: requests apart, moves into events.

Ends of an answer that are this format's own: `failed`, and those that it calls whole all the same.
These are `open` (its message never ends), `rest` (the last piece comes with its message's end
only), `refusal` (its message ends as one) and `nothing` (there is no message).
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from codara.demo.script import Call, ScriptedAnswer, ScriptedConversation, Step

_WRAPPER = re.compile(r"\s*<(environment_context|turn_aborted|user_instructions|subagent)")
_TOOL_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})
_LONGEST_WAIT = 30_000
_CALLED_WHOLE = frozenset({"done", "open", "rest", "refusal", "nothing"})
_INCOMPLETE = {"length": "max_output_tokens", "filter": "content_filter"}

Event = Mapping[str, Any]


@attrs.frozen
class ResponsesRequest:
    """One POST: the conversation, and whether tools are called through JavaScript.

    `started` is the sub-agent that was started last and not waited for yet.
    """

    conversation: ScriptedConversation
    by_script: bool
    started: str | None


def read(body: Mapping[str, Any], key: str) -> ResponsesRequest:
    """Takes a request's body apart; what the CLI adds for itself is no prompt."""
    items = [item for item in body.get("input", []) if isinstance(item, dict)]
    prompts: list[str] = []
    instructions: list[str] = []
    done, started = 0, None
    for item in items:
        if item.get("type") in _TOOL_RESULTS:
            started = _started(item)
            done += started is None
        elif item.get("role") == "user" and not _WRAPPER.match(_text_of(item)):
            prompts.append(_text_of(item).strip())
            done, started = 0, None
        elif item.get("role") in ("developer", "system") and item.get("content"):
            instructions.append(_text_of(item))
    model = str(body.get("model", ""))
    images = tuple(url[5:].partition(";")[0] for item in items for url in _images_of(item))
    conversation = ScriptedConversation(
        key, model, tuple(instructions), tuple(prompts), done, images
    )
    by_script = not _offers_exec_command(body)
    return ResponsesRequest(conversation, by_script=by_script, started=started)


def opening(response_id: str) -> Event:
    return {"type": "response.created", "response": {"id": response_id}}


def thought(text: str, item_id: str) -> Iterator[Event]:
    """A whole reasoning item."""
    item = {"type": "reasoning", "id": item_id, "summary": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    part = {"item_id": item_id, "output_index": 0, "summary_index": 0}
    yield {"type": "response.reasoning_summary_part.added", **part}
    yield {"type": "response.reasoning_summary_text.delta", **part, "delta": text}
    yield {"type": "response.reasoning_summary_text.done", **part, "text": text}
    whole = {**item, "summary": [{"type": "summary_text", "text": text}]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": whole}


def message(item_id: str, answer: ScriptedAnswer) -> Iterator[Event]:
    """A message as it is streamed, without its end."""
    if answer.ending == "nothing":
        return
    item = _message(item_id)
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    place = {"item_id": item_id, "output_index": 0, "content_index": 0}
    for piece in answer.pieces[:-1] if answer.ending == "rest" else answer.pieces:
        yield {"type": "response.output_text.delta", **place, "delta": piece}


def message_done(item_id: str, answer: ScriptedAnswer) -> Iterator[Event]:
    """How a message ends, if it does."""
    if answer.ending in ("open", "nothing"):
        return
    part = {"type": "output_text", "text": "".join(answer.pieces), "annotations": []}
    if answer.ending == "refusal":
        part = {"type": "refusal", "refusal": "I cannot help with that."}
    item = _message(item_id, part)
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}


def tool_call(call: Call, asked: ResponsesRequest, call_id: str) -> Event:
    """The call of a tool in the one form the request offered; sub-agents are functions always.

    A sub-agent is started with one call and waited for with the next.
    """
    item: dict[str, Any] = {"id": f"item_{call_id}", "call_id": call_id, "status": "completed"}
    if call.step.kind == "delegate":
        item |= {"type": "function_call", **_delegated(call.step, asked)}
    elif asked.by_script:
        item |= {"type": "custom_tool_call", "name": "exec", "input": _javascript(call.step)}
    else:
        arguments = {"cmd": command(call.step), "yield_time_ms": _LONGEST_WAIT}
        item |= {
            "type": "function_call",
            "name": "exec_command",
            "arguments": json.dumps(arguments),
        }
    return {"type": "response.output_item.done", "output_index": 0, "item": item}


def completed(response_id: str, thought: str = "") -> Event:
    """Returns the end of a response, with the usage that every answer of this model has."""
    usage = {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": thinking(thought)},
        "total_tokens": 132,
    }
    return {"type": "response.completed", "response": {"id": response_id, "usage": usage}}


def thinking(thought: str) -> int:
    """Returns how many of an answer's 12 tokens its thought takes."""
    return 5 if thought else 0


def ended(response_id: str, ending: str, thought: str = "") -> Event:
    """Returns the end of an answer: whole, failed in the middle, or incomplete for a reason."""
    if ending in _CALLED_WHOLE:
        return completed(response_id, thought)
    if ending == "failed":
        return failed(response_id, "server_error", "The model failed to finish its answer.")
    response = {
        **completed(response_id, thought)["response"],
        "status": "incomplete",
        "incomplete_details": {"reason": _INCOMPLETE.get(ending, ending)},
    }
    return {"type": "response.incomplete", "response": response}


def failed(response_id: str, code: str, message: str) -> Event:
    error = {"code": code, "message": message}
    return {"type": "response.failed", "response": {"id": response_id, "error": error}}


def encode(event: Event) -> bytes:
    """One server-sent event."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def command(step: Step) -> str:
    """Returns the shell command that carries a step out."""
    name = shlex.quote(step.target)
    folder, slash, _ = step.target.rpartition("/")
    make = f"mkdir -p {shlex.quote(folder)} && " if slash and folder else ""
    match step.kind:
        case "write":
            return f"{make}printf %s {shlex.quote(step.text)} > {name}"
        case "append":
            return f"{make}printf %s {shlex.quote(step.text)} >> {name}"
        case "edit":
            old, _, new = step.text.partition("=>")
            return f"sed -i -e {shlex.quote(f's/{_sed(old)}/{_sed(new)}/')} {name}"
        case "delete":
            return f"rm -f {name}"
        case _:
            return step.text


def _message(item_id: str, *content: Event) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "id": item_id, "content": [*content]}


def _delegated(step: Step, asked: ResponsesRequest) -> Mapping[str, str]:
    """The call in codex's newer form where it has scripts, else in the older one."""
    if asked.by_script:
        start: dict[str, Any] = {"message": step.text, "task_name": "part", "fork_turns": "none"}
        namespace, wait = "collaboration", {}
    else:
        start = {"message": step.text}
        namespace, wait = "multi_agent_v1", {"targets": [asked.started]}
    name, arguments = ("wait_agent", wait) if asked.started else ("spawn_agent", start)
    return {"namespace": namespace, "name": name, "arguments": json.dumps(arguments)}


def _started(result: Mapping[str, Any]) -> str | None:
    """The sub-agent that a tool's result says was started."""
    found = re.match(r'\{"(?:agent_id|task_name)":"([^"]+)"', str(result.get("output")))
    return found[1] if found else None


def _javascript(step: Step) -> str:
    if step.kind == "write":
        lines = "".join(f"+{line}\n" for line in step.text.splitlines())
        return _patch(f"*** Add File: {step.target}\n{lines}")
    if step.kind == "delete":
        return _patch(f"*** Delete File: {step.target}\n")
    arguments = json.dumps({"cmd": command(step), "yield_time_ms": _LONGEST_WAIT})
    return f"text(await tools.exec_command({arguments}));"


def _patch(body: str) -> str:
    patch = json.dumps(f"*** Begin Patch\n{body}*** End Patch\n")
    return f"text(await tools.apply_patch({patch}));"


def _sed(text: str) -> str:
    return re.sub(r"([\\/.*\[\]^$&])", r"\\\1", text)


def _offers_exec_command(body: Mapping[str, Any]) -> bool:
    return any(tool.get("name") == "exec_command" for tool in body.get("tools") or [])


def _text_of(item: Mapping[str, Any]) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [] if isinstance(part, dict))


def _images_of(item: Mapping[str, Any]) -> Iterator[str]:
    """The data URLs of the pictures in a message."""
    content = item.get("content")
    for part in content if isinstance(content, list) else ():
        if part.get("type") == "input_image":
            yield str(part.get("image_url", ""))
