"""A turn in OpenAI's chat completion format: answers, chunks, and our own fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from codara.application.turns.commands import TurnResult
from codara.events.readable import in_base64
from codara.events.session import Usage
from codara.events.workspace import FileChange


@attrs.frozen(kw_only=True)
class Reply:
    """What all parts of one reply have in common; `model` is the name that the client used.

    `turn_id` is known once the turn has been admitted.
    """

    turn_id: str = ""
    model: str
    created: int
    include_usage: bool
    reasoning: bool = False
    """Whether the agent's thinking is shown."""
    events: bool = False
    """Whether a stream shows the tools that the agent uses."""
    ignored: tuple[str, ...] = ()
    """The fields of the request that had no effect."""

    def of(self, turn_id: str) -> "Reply":
        """Returns the same reply for that turn."""
        return attrs.evolve(self, turn_id=turn_id)

    def whole(self, result: TurnResult, thoughts: str = "") -> dict[str, Any]:
        """Returns the whole answer as one `chat.completion`."""
        message = {"role": "assistant", "content": result.text}
        if thoughts:
            message["reasoning_content"] = thoughts
        return {
            **self._frame("chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": result.finish_reason}],
            "usage": usage(result.usage),
            **ours(result, self.ignored),
        }

    def chunk(self, delta: Mapping[str, str], finish_reason: str | None = None) -> dict[str, Any]:
        """Returns a piece of a streamed answer."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        none_yet = {"usage": None} if self.include_usage else {}
        return {**self._frame("chat.completion.chunk"), "choices": [choice], **none_yet}

    def event_chunk(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a chunk that is empty for an OpenAI client and tells ours what happens."""
        return {**self.chunk({}), "codara_event": event}

    def our_chunk(self, result: TurnResult) -> dict[str, Any]:
        """Returns a chunk that is empty for an OpenAI client and gives ours the other fields."""
        return {**self.chunk({}), **ours(result, self.ignored)}

    def usage_chunk(self, result: TurnResult) -> dict[str, Any]:
        """Returns the last chunk of a stream that asked for usage."""
        shown = usage(result.usage)
        return {**self._frame("chat.completion.chunk"), "choices": [], "usage": shown}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.turn_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def usage(spent: Usage | None) -> dict[str, Any]:
    """Returns the tokens in OpenAI's format; zeros if the agent reported none."""
    spent = spent or Usage()
    return {
        "prompt_tokens": spent.input,
        "completion_tokens": spent.output,
        "total_tokens": spent.input + spent.output,
        "prompt_tokens_details": {"cached_tokens": spent.cached},
        "completion_tokens_details": {"reasoning_tokens": spent.reasoning},
    }


def ours(result: TurnResult, ignored: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the fields that are put beside OpenAI's."""
    return {
        "modified_files": result.modified_files,
        **({"modified_files_b64": encoded} if (encoded := result.modified_files_b64) else {}),
        "diff": result.diff,
        **({} if result.diff_bytes is None else {"diff_b64": in_base64(result.diff_bytes)}),
        "actions": list(result.actions),
        "dirty": result.dirty,
        "codara": {
            "task_id": result.turn_id,
            "turn_id": result.turn_id,
            "session_id": result.session_id,
            "client_session_id": result.client_session_id,
            "workspace_id": result.workspace_id,
            "workspace": result.workspace,
            "provider": result.provider,
            "model": result.model,
            "backend_id": result.backend_id,
            "thread": result.thread,
            **({"forked_from": result.forked_from} if result.thread in _BRANCHED else {}),
            **({"aside": True} if result.aside else {}),
            **({"text_replaced": True} if result.text_replaced else {}),
            "position": result.position,
            "ignored": list(ignored),
            "files": [_file(change) for change in result.files],
            "diff_truncated": result.diff_truncated,
            "partial": list(result.partial),
            "jailed": result.jailed,
            "timings": dict(result.timings),
        },
    }


_BRANCHED = ("forked", "fresh")


def _file(change: FileChange) -> dict[str, Any]:
    shown = {
        "path": change.path,
        "old_path": change.old_path,
        "status": change.status,
        "added": change.added,
        "deleted": change.deleted,
        "binary": change.binary,
        "encoding": change.encoding,
    }
    encoded = {"path_b64": change.path_b64, "old_path_b64": change.old_path_b64}
    return {**shown, **{name: value for name, value in encoded.items() if value is not None}}
