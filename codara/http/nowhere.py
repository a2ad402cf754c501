"""What to ask for in place of a path that the gateway does not serve."""

from collections.abc import Mapping
from typing import Final

_SERVED: Final = ("/v1/chat/completions", "/v1/models")
_INSTEAD: Final = f"It serves {' and '.join(_SERVED)}."

_OTHERS: Final[Mapping[str, str]] = {
    "responses": (
        "This gateway has no Responses API; use /v1/chat/completions "
        "(in LangChain: use_responses_api=False; in the AI SDK: openai.chat(…); "
        'in the Agents SDK: set_default_openai_api("chat_completions")).'
    ),
    "completions": "Use /v1/chat/completions, with the prompt as a user message.",
    "messages": f"This gateway does not speak Anthropic's API. {_INSTEAD}",
    "files": (
        "This gateway keeps no files for later; send them with a chat request, as a form "
        "(multipart/form-data) to /v1/chat/completions."
    ),
    "chat": "Answers are not kept here; a user's tasks, with theirs, are at /v1/user/tasks.",
}
_LACKING: Final[Mapping[str, str]] = {
    "assistants": "assistants",
    "audio": "speech",
    "batches": "batches",
    "containers": "containers",
    "conversations": "Conversations API",
    "embeddings": "embeddings",
    "engines": "engines",
    "evals": "evals",
    "fine_tuning": "fine-tuning",
    "images": "image generation",
    "moderations": "moderation",
    "realtime": "Realtime API",
    "rerank": "reranking",
    "threads": "assistants' threads",
    "uploads": "Uploads API",
    "vector_stores": "vector stores",
    "videos": "video generation",
}


def nowhere(path: str) -> str:
    """Returns a message for a path that does not exist, with what is meant or what to use."""
    message = f"There is no {path} here."
    meant = _meant(path)
    if meant is not None:
        return f"{message} Did you mean {meant}?"
    advice = _advice(path)
    return message if advice is None else f"{message} {advice}"


def _meant(path: str) -> str | None:
    """Returns the path that is served, if this one differs only in what stands around it."""
    plain = path.rstrip("/")
    if plain.startswith("/models/"):
        return f"/v1{plain}"
    return next((served for served in _SERVED if plain.endswith(served.removeprefix("/v1"))), None)


def _advice(path: str) -> str | None:
    """Returns what to use in place of a route of OpenAI's, with or without the `/v1`."""
    first = path.removeprefix("/v1").strip("/").partition("/")[0]
    if first in _LACKING:
        return f"This gateway runs coding agents; it has no {_LACKING[first]}. {_INSTEAD}"
    return _OTHERS.get(first)
