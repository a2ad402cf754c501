"""What the scripted model does: markers like ``[[write:a.txt]]`` in the last prompt are its plan.

The markers are carried out in their order. Whatever calls a tool ends one request; the next
request, which brings the tool's result, goes on behind it. How a move is said on the wire is not
known here.

    [[text:…]] [[think:…]] [[history]] [[instructions]]      what it says
    [[write:name]] [[write:name=content]] [[append:name=…]]  what it does
    [[edit:file=old=>new]] [[delete:file]] [[shell:command]]
    [[delegate:prompt]]                                      what a sub-agent is to do
    [[sleep:seconds]] [[slow:pieces]]                        how long it takes
    [[hang:mid]] [[hang:none]]                               how it falls silent
    [[fail:401|429|429quota|500|503|context|nomodel]]        how it fails; [[fail:500*1]] only once
    [[fail:drop]] [[fail:cut]] [[fail:thinking]]             how its answer breaks off
    [[end:length|filter|…]]                                  why its answer ends early, or how oddly
    [[quota:percent]]                                        what its headers say
"""

import re
from collections.abc import Iterator

import attrs

_MARKER = re.compile(r"\[\[(\w+)(?::(.*?))?\]\]", re.DOTALL)
_FILE = re.compile(r"(?<![\w/.-])([\w-][\w./-]*\.[A-Za-z]\w{0,7})\b")
_MAKE = re.compile(r"\b(create|write|make|generate|start)\b", re.IGNORECASE)
_CHANGE = re.compile(r"\b(add|append|change|edit|extend|fix|update)\b", re.IGNORECASE)
_TOOLS = frozenset({"write", "append", "edit", "delete", "shell", "delegate"})
_BROKEN = frozenset({"drop", "cut", "thinking"})

GREETING = (
    "Hello! I am the scripted model behind this demo. I have read your message, and as it names "
    "no file to create or change, I leave the workspace as it is."
)
WRITTEN = "hello from the scripted model\n"


@attrs.frozen
class Step:
    """One marker: its kind and what stands behind the colon, already taken apart."""

    kind: str
    target: str = ""
    text: str = ""
    number: float = 0.0

    @property
    def is_tool(self) -> bool:
        return self.kind in _TOOLS


@attrs.frozen
class ScriptedConversation:
    """What one request holds; `tools_done` counts the tool results since the last prompt."""

    key: str
    model: str
    instructions: tuple[str, ...]
    prompts: tuple[str, ...]
    tools_done: int
    images: tuple[str, ...] = ()
    """Media types of the pictures shown."""


@attrs.frozen
class Call:
    """Use a tool."""

    step: Step
    thought: str
    pause: float
    quota: float | None


@attrs.frozen
class ScriptedAnswer:
    """Say something.

    `ending` is done, drop (the connection breaks), cut (it ends properly, but nothing says that the
    answer is whole), thinking (the same, in the middle of its thought), hang (nothing follows),
    length or filter (the provider ended it early), or what the wire format itself calls such an
    end.
    """

    pieces: tuple[str, ...]
    thought: str
    pause: float
    between: float
    ending: str
    quota: float | None

    @property
    def breaks_off(self) -> bool:
        return self.ending in _BROKEN


@attrs.frozen
class Refuse:
    """Answer with an error of this kind; `times` bounds how often, None means always."""

    kind: str
    times: int | None
    quota: float | None


@attrs.frozen
class Silence:
    """Take the request and never answer."""


Move = Call | ScriptedAnswer | Refuse | Silence


def steps_of(prompt: str) -> tuple[Step, ...]:
    """The plan of a prompt: its markers, or for a plain prompt that names a file, an edit of it."""
    marked = tuple(_step(match[1], match[2] or "") for match in _MARKER.finditer(prompt))
    return marked or tuple(_plain(prompt))


def next_move(conversation: ScriptedConversation, failures: int = 0) -> Move:
    """Returns what to do now; `failures` is how often this very prompt was refused already."""
    prompt = conversation.prompts[-1] if conversation.prompts else ""
    steps = steps_of(prompt)
    quota = next((step.number for step in steps if step.kind == "quota"), None)
    slow = next((int(step.number) for step in steps if step.kind == "slow"), 0)
    pause, thought = 0.0, ""
    for step in _remaining(steps, conversation.tools_done):
        if step.is_tool:
            return Call(step, thought, pause, quota)
        if step.kind == "sleep":
            pause += step.number
        elif step.kind == "think":
            thought = step.text
        elif step.kind == "hang":
            return _hang(step, quota)
        elif step.kind == "fail" and (step.number == 0 or failures < step.number):
            return _fail(step, thought, pause, quota)
    ending = next((step.text for step in steps if step.kind == "end"), "done")
    text = _text(conversation, steps)
    return ScriptedAnswer(_pieces(text, slow), thought, pause, 0.05 if slow else 0.0, ending, quota)


def _step(kind: str, argument: str) -> Step:
    match kind:
        case "write" | "append":
            name, _, content = argument.partition("=")
            return Step(kind, name, content or WRITTEN)
        case "edit":
            name, _, change = argument.partition("=")
            return Step(kind, name, change)
        case "delete":
            return Step(kind, argument)
        case "sleep" | "quota" | "slow":
            return Step(kind, number=float(argument or 1))
        case "fail":
            name, _, times = argument.partition("*")
            return Step(kind, text=name, number=float(times or 0))
        case _:
            return Step(kind, text=argument)


def _plain(prompt: str) -> Iterator[Step]:
    named = _FILE.search(prompt)
    if named is None:
        return
    if _MAKE.search(prompt):
        yield Step("write", named[1], f"# {named[1]}\n\nWritten by the scripted model.\n")
    elif _CHANGE.search(prompt):
        yield Step("append", named[1], "A line added by the scripted model.\n")


def _remaining(steps: tuple[Step, ...], done: int) -> tuple[Step, ...]:
    tools = [index for index, step in enumerate(steps) if step.is_tool]
    behind = tools[min(done, len(tools)) - 1] + 1 if done and tools else 0
    return steps[behind:]


def _hang(step: Step, quota: float | None) -> Move:
    if step.text == "mid":
        return ScriptedAnswer(("This answer ", "never ends"), "", 0.0, 0.0, "hang", quota)
    return Silence()


def _fail(step: Step, thought: str, pause: float, quota: float | None) -> Move:
    if step.text == "thinking":
        return ScriptedAnswer((), thought, pause, 0.0, step.text, quota)
    if step.text in _BROKEN:
        return ScriptedAnswer(("This answer ", "breaks off"), "", pause, 0.0, step.text, quota)
    return Refuse(step.text, int(step.number) or None, quota)


def _text(conversation: ScriptedConversation, steps: tuple[Step, ...]) -> str:
    kinds = {step.kind for step in steps}
    if "history" in kinds:
        heard = (f"{at}. {text}" for at, text in enumerate(conversation.prompts, 1))
        return f"user messages: {len(conversation.prompts)}\n" + "\n".join(heard)
    if "instructions" in kinds:
        return "\n".join(conversation.instructions)
    said = [step.text for step in steps if step.kind == "text"]
    if said:
        return "\n".join(said)
    done = [f"{step.kind} {step.target or step.text}" for step in steps if step.is_tool]
    return f"Done: {', '.join(done)}." if done else GREETING


def _pieces(text: str, slow: int) -> tuple[str, ...]:
    if slow:
        size = -(-len(text) // slow)
        return tuple(text[at : at + size] for at in range(0, len(text), max(size, 1)))
    words = re.findall(r"\S+\s*|\s+", text)
    return tuple("".join(words[at : at + 3]) for at in range(0, len(words), 3))
