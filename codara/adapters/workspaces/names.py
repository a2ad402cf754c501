"""Names: a label as the name of its folder."""

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
