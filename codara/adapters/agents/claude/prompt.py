"""A prompt and its pictures, as claude takes them on its standard input."""

from base64 import b64encode
from typing import Any

from codara.application.ports.agents import AgentTurn


def message_of(turn: AgentTurn) -> dict[str, Any]:
    """Returns the line that begins a turn."""
    pictures = [
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": each.media_type,
                "data": b64encode(each.data).decode(),
            },
        }
        for each in turn.images
    ]
    content = [{"type": "text", "text": spoken(turn.prompt)}, *pictures]
    return {"type": "user", "message": {"role": "user", "content": content}}


def spoken(prompt: str) -> str:
    """The prompt as claude has to hear it: behind a line end a slash is no command of its own."""
    return f"\n{prompt}" if prompt.startswith("/") else prompt
