"""Pictures that agents can be shown: known by their first bytes, not by what they are called."""

MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What every agent that sees at all can see."""

MOST_BYTES = 10 * 1024 * 1024
"""How large one picture may be."""

MOST = 16
"""How many pictures one request may show."""


def media_type_of(data: bytes) -> str | None:
    """One of MEDIA_TYPES; None if the bytes are no such picture."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
