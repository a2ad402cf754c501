"""Pictures that agents can be shown, told by their first bytes and not by their names."""

MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The media types that every agent which takes pictures can be shown."""

MOST_BYTES = 10 * 1024 * 1024
"""The largest picture, in bytes."""

MOST = 16
"""The largest number of pictures in one request."""


def media_type_of(data: bytes) -> str | None:
    """Returns one of MEDIA_TYPES; None if the bytes are not such a picture."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
