"""One action: a change to a file, or a command, in one of the formats that agents write."""

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Action:
    """An action on the file `path`.

    `format` is search_replace, unified_diff, write_file or command, and decides which of the fields
    below are set. `source` is text, diff or json. `exact` is true if the action names its file and
    its parts agree with each other, so that it can be applied as it stands. What is not UTF-8 has
    its bytes in base64: `path_b64`, `paths_b64` (one for each of `paths`, None for those that are
    UTF-8; empty if all are), and `patch_b64`, without which such a patch cannot be applied.
    """

    action_id: str = ""
    type: str
    format: str
    path: str | None = None
    path_b64: str | None = None
    search: str | None = None
    replace: str | None = None
    patch: str | None = None
    patch_b64: str | None = None
    paths: tuple[str, ...] = ()
    paths_b64: tuple[str | None, ...] = ()
    content: str | None = None
    command: str | None = None
    raw: str
    source: str
    exact: bool

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields that are set, by name, ready for JSON."""
        shown = attrs.asdict(self, filter=lambda _, value: value is not None)
        encoded = shown.pop("paths_b64")
        more = {"paths_b64": list(encoded)} if encoded else {}
        return {**shown, "paths": list(self.paths), **more}

    def content_key(self) -> object:
        """Returns a key that is equal for two actions that would do the same."""
        patch = self.patch.strip() if self.patch is not None else None
        said = (self.search, self.replace, patch, self.content, self.command)
        return (self.format, self.path, self.path_b64, self.patch_b64, *said)
