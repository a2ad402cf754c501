"""Names: a label as the name of its folder, and a path's bytes as text."""

import base64
import hashlib
import re

_UNSAFE = re.compile(rb"[^A-Za-z0-9_.-]|\A\.")
_LONGEST = 255


def folder_name(label: str) -> str:
    """One flat name for any label, different for different labels, never hidden and never dots.

    What is not plain is percent-encoded; names that a file system would refuse for their length
    end in ``~`` and a digest instead.
    """
    name = _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], label.encode()).decode()
    if len(name) <= _LONGEST:
        return name
    return f"{name[:200]}~{hashlib.sha256(label.encode()).hexdigest()[:40]}"


def shown(raw: bytes) -> tuple[str, str | None]:
    r"""The path as UTF-8 with other bytes as ``\xNN``; then its true bytes in base64 as well."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return raw.decode(errors="backslashreplace"), base64.b64encode(raw).decode()
