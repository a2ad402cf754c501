"""Bytes as text that a person can read, and in base64 where the text does not tell them."""

import base64
import re

NOT_UTF8 = "\\ Not UTF-8: other bytes are shown as \\xNN, so this text cannot be applied\n"
"""Stands before the first hunk of such a file's patch; `git apply` refuses a text that holds it."""

_OTHER = re.compile("[\udc80-\udcff]+")
"""Bytes that are not UTF-8, as `surrogateescape` decodes them."""
_FILES = re.compile(rb"^(?=diff --git )", re.MULTILINE)


def path_of(raw: bytes) -> tuple[str, str | None]:
    r"""Returns the path as text, other bytes as ``\xNN``; then its bytes in base64, if any are."""
    return _shown(raw), None if is_utf8(raw) else in_base64(raw)


def patch_of(raw: bytes) -> str:
    r"""Returns a patch as text. In each file's part that is not UTF-8, `NOT_UTF8` says so."""
    if is_utf8(raw):
        return raw.decode()
    return "".join(map(_part, _FILES.split(raw)))


def is_utf8(raw: bytes) -> bool:
    """Tells whether the bytes are text that becomes the same bytes again."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def in_base64(raw: bytes) -> str:
    """Returns the bytes in base64."""
    return base64.b64encode(raw).decode()


def _part(raw: bytes) -> str:
    if is_utf8(raw):
        return raw.decode()
    return _shown(raw).replace("\n@@ ", f"\n{NOT_UTF8}@@ ", 1)


def _shown(raw: bytes) -> str:
    r"""Returns the text with other bytes as ``\xNN``, and lets other threads run meanwhile."""
    return _OTHER.sub(_as_digits, raw.decode(errors="surrogateescape"))


def _as_digits(other: "re.Match[str]") -> str:
    return "\\x" + other[0].encode(errors="surrogateescape").hex("-").replace("-", "\\x")
