"""Names of models, as many as may be told to every process."""

import json
from collections.abc import Iterator

MOST = 32
MOST_BYTES = 16 * 1024
"""opencode is told of its models in one variable, and the kernel takes none over 128 KiB."""


class Names:
    """The names used last: at most 32, and not more than 16 KiB of them as JSON."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(reversed(self._names))

    def use(self, name: str) -> None:
        """Remembers the name; those used longest ago make room for it."""
        self._names.pop(name, None)
        self._names[name] = len(json.dumps(name))
        while len(self._names) > MOST or sum(self._names.values()) > MOST_BYTES:
            del self._names[next(iter(self._names))]
