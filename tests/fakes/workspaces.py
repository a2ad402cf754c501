"""Workspaces that exist in name only."""

from collections.abc import Sequence
from pathlib import Path

import attrs

from codara.application.ports.workspaces import MISSING, Diff, Repair, Snapshot, Upload
from codara.errors import WorkspaceAccessDenied
from codara.events.workspace import FileChange


@attrs.define
class FakeWorkspaces:
    """Folders that exist in name only; `files` is what is in all of them."""

    files: dict[str, str] = attrs.field(factory=dict)
    trees: dict[str, dict[str, str]] = attrs.field(factory=dict)
    broken: bool = False
    missing: bool = False
    staged: dict[str, tuple[Upload, ...]] = attrs.field(factory=dict)
    in_the_way: bool = False

    def folder(self, user_id: str, label: str) -> Path:
        return Path("/w") / user_id / label.replace("/", "%2F")

    async def provision(self, workspace_id: str, folder: Path) -> None:
        self.missing = False

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        if self.broken:
            raise OSError("the folder cannot be read")
        if self.missing:
            self.files.clear()
        tree = f"tree{hash(frozenset(self.files.items()))}"
        self.trees[tree] = dict(self.files)
        partial = (MISSING,) if self.missing else ()
        return Snapshot(tree=tree, files=len(self.files), bytes=0, partial=partial)

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        before, after = self.trees[base], self.trees[final]
        new = sorted(set(after) - set(before))
        patch = "".join(f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n" for path in new)
        changes = tuple(FileChange(path=path, status="added", added=1) for path in new)
        return Diff(files=changes, patch=patch, truncated=False)

    async def repair(self, workspace_id: str, folder: Path) -> Repair:
        if self.broken:
            raise OSError("the folder cannot be read")
        return Repair(folders=2, files=1)

    async def stage(
        self, workspace_id: str, folder: Path, below: str, files: Sequence[Upload]
    ) -> None:
        if self.in_the_way:
            raise WorkspaceAccessDenied("something else is there")
        self.staged[below] = tuple(files)

    async def unstage(self, workspace_id: str, folder: Path, below: str) -> None:
        self.staged.pop(below, None)
