"""What is asked of a turn, and what it answers."""

from typing import Any

import attrs

from codara.application.callers import Caller
from codara.application.ports.agents import Image
from codara.application.ports.workspaces import Upload
from codara.events.session import Usage
from codara.events.workspace import FileChange


@attrs.frozen
class Message:
    """One message of the request; `role` is system, developer, user, assistant or tool."""

    role: str
    text: str
    images: tuple[Image, ...] = ()


@attrs.frozen(kw_only=True)
class TurnOptions:
    """What a request asks of a turn, decoded once at the door and handed on as it is.

    `workspace` is a label or a ``wsp_`` id, `session_label` a label or a ``ses_`` id, or None where
    the request names no session; `chat` is its client's own id of the chat. `uploads` lie in the
    workspace for as long as the turn runs.
    """

    messages: tuple[Message, ...]
    uploads: tuple[Upload, ...] = ()
    workspace: str
    workspace_root: str | None
    session_label: str | None
    chat: str | None = None
    effort: str | None = None
    """How hard the model is to think; None leaves it to the agent."""
    manual: bool
    """Whether the agent may read the workspace and not write it."""
    persistent: bool
    """Whether the thread is kept for later turns."""
    aside: bool = False
    """Whether a chat program asks this beside a chat."""
    refuse: bool = False
    """Whether to refuse the request at once instead of letting it wait."""
    stream: bool
    body_digest: str
    idempotency_key: str | None
    retry: bool
    """Whether the client's SDK says that it sends the same request again by itself."""


@attrs.frozen(kw_only=True)
class RunTurn(TurnOptions):
    """A request for one turn, authenticated, with the model that was found for it."""

    caller: Caller
    request_id: str
    trace_id: str
    model: str
    provider: str

    @classmethod
    def of(cls, options: TurnOptions, **more: Any) -> "RunTurn":
        """Makes the command of decoded options; `more` is what only the door knows."""
        given = {each.name: getattr(options, each.name) for each in attrs.fields(TurnOptions)}
        return cls(**given, **more)


@attrs.frozen(kw_only=True)
class Started:
    """A turn has its locks and its account, and is about to run."""

    position: int
    thread: str


@attrs.frozen(kw_only=True)
class TurnResult:
    """A completed turn, with everything the answer tells of it."""

    turn_id: str
    session_id: str
    client_session_id: str | None
    workspace_id: str
    workspace: str
    provider: str
    model: str
    backend_id: str | None
    thread: str
    forked_from: str | None
    aside: bool
    position: int
    text: str
    text_replaced: bool = False
    """Whether U+FFFD stands for something that the agent wrote and that is no text."""
    finish_reason: str
    files: tuple[FileChange, ...]
    diff: str
    diff_bytes: bytes | None = None
    """The diff's bytes, where they are not UTF-8: `diff` shows some of them as `\\xNN`."""
    diff_truncated: bool
    partial: tuple[str, ...]
    actions: tuple[dict[str, Any], ...]
    dirty: bool
    jailed: bool
    usage: Usage | None
    timings: dict[str, float]

    @property
    def modified_files(self) -> list[str]:
        """The paths that changed, sorted."""
        return [path for path, _ in self._paths]

    @property
    def modified_files_b64(self) -> list[str | None]:
        """For each of them its bytes in base64, or None if it is UTF-8; empty if all are."""
        encoded = [each or None for _, each in self._paths]
        return encoded if any(encoded) else []

    @property
    def _paths(self) -> list[tuple[str, str]]:
        return sorted((change.path, change.path_b64 or "") for change in self.files)
