"""Patches in an answer's lines: unified diffs, file by file, and `*** Begin Patch` envelopes."""

import re
from collections.abc import Sequence

import attrs

from codara.domain.action import Action
from codara.events import readable

_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_HEADER = re.compile(
    r"index |(?:old|new|deleted file|new file) mode |(?:dis)?similarity index |"
    r"(?:rename|copy) (?:from|to) |Binary files |GIT binary patch"
)
_WITHOUT_CONTENT = ("Binary files ", "GIT binary patch")
"""Git cannot apply the first without the files; of the second, the data are not read here."""
_SECTION = re.compile(r"\*\*\* (Add|Update|Delete) File: (.{1,4096})")
_MOVE = "*** Move to: "
_END = "*** End Patch"
_BODY = (" ", "+", "-", "@@", _MOVE, "*** End of File")
_ESCAPE = re.compile(r"\\([0-7]{3}|.)")
_LETTERS = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11}


def starts_file_diff(lines: Sequence[str], at: int) -> bool:
    """Tells whether one file's unified diff begins here: git's header, or ---, +++ and @@."""
    line = lines[at]
    if line.startswith("diff --git "):
        return True
    return line.startswith("--- ") and _followed_by(lines, at, "+++ ", "@@")


def _followed_by(lines: Sequence[str], at: int, *starts: str) -> bool:
    following = lines[at + 1 : at + 1 + len(starts)]
    return len(following) == len(starts) and all(
        line.startswith(start) for line, start in zip(following, starts, strict=True)
    )


@attrs.define
class _FileDiff:
    """One file's diff while it is read."""

    strict: bool
    old: str | None = None
    new: str | None = None
    git: str | None = None
    changes: bool = False
    exact: bool = True

    @property
    def path(self) -> str | None:
        return self.new or self.old or self.git

    @property
    def paths(self) -> tuple[str, ...]:
        both = dict.fromkeys(path for path in (self.old, self.new) if path)
        return tuple(both) or ((self.git,) if self.git else ())


def read_file_diff(lines: Sequence[str], at: int, *, source: str) -> tuple[int, Action | None]:
    """Reads the diff that begins at line `at`; returns the line where it ends, and its action.

    The action is None if the diff changes nothing or names no file. Of a turn's diff (`source` is
    `diff`) every character counts; of an answer's, what agents get wrong is overlooked.
    """
    seen = _FileDiff(strict=source == "diff")
    end = _read_header(lines, at, seen)
    while end < len(lines) and lines[end].startswith("@@"):
        end = _read_hunk(lines, end, seen)
    if not seen.changes or seen.path is None:
        return max(end, at + 1), None
    return end, _action("\n".join(lines[at:end]) + "\n", seen.path, seen, source)


def _action(text: str, path: str, seen: _FileDiff, source: str) -> Action:
    raw = _bytes(text)
    shown = readable.patch_of(raw)
    paths = [readable.path_of(_bytes(each)) for each in seen.paths]
    encoded = tuple(each for _, each in paths)
    path, path_b64 = readable.path_of(_bytes(path))
    return Action(
        type="patch",
        format="unified_diff",
        path=path,
        path_b64=path_b64,
        paths=tuple(each for each, _ in paths),
        paths_b64=encoded if any(encoded) else (),
        patch=shown,
        patch_b64=None if readable.is_utf8(raw) else readable.in_base64(raw),
        raw=shown,
        source=source,
        exact=seen.exact and readable.is_utf8(raw),
    )


def _bytes(text: str) -> bytes:
    """Returns the bytes of a text in which a lone surrogate stands for a byte that is not UTF-8."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _read_header(lines: Sequence[str], at: int, seen: _FileDiff) -> int:
    if lines[at].startswith("diff --git "):
        seen.git = _git_path(lines[at] if seen.strict else lines[at].strip())
        at += 1
    while at < len(lines) and _HEADER.match(lines[at]):
        _read_header_line(lines[at], seen)
        at += 1
    if at < len(lines) and lines[at].startswith("--- ") and _followed_by(lines, at, "+++ "):
        seen.old, seen.new = (_side(line, seen.strict) for line in lines[at : at + 2])
        at += 2
    return at


def _read_header_line(line: str, seen: _FileDiff) -> None:
    if not line.startswith("index "):
        seen.changes = True
    if line.startswith(_WITHOUT_CONTENT):
        seen.exact = False
    if line.startswith("rename from "):
        seen.old = _unquoted(line[12:])
    elif line.startswith("rename to "):
        seen.new = _unquoted(line[10:])


def _read_hunk(lines: Sequence[str], at: int, seen: _FileDiff) -> int:
    """Reads a hunk by the counts of its header; if the agent miscounted, by the lines' signs."""
    head = _HUNK.match(lines[at])
    old, new = (int(head[1] or 1), int(head[2] or 1)) if head else (0, 0)
    at += 1
    while at < len(lines) and (old > 0 or new > 0):
        sign = lines[at][:1]
        if sign not in {" ", "+", "-", "\\", ""} or (sign == "" and at == len(lines) - 1):
            break
        old -= sign in {" ", "-", ""}
        new -= sign in {" ", "+", ""}
        seen.changes = seen.changes or sign in {"+", "-"}
        at += 1
    while at < len(lines) and lines[at].startswith("\\ "):
        at += 1
    miscounted = head is None or (old, new) != (0, 0)
    if not seen.strict:
        further = _read_by_signs(lines, at, seen)
        at, miscounted = further, miscounted or further != at
    seen.exact = seen.exact and not miscounted
    return at


def _read_by_signs(lines: Sequence[str], at: int, seen: _FileDiff) -> int:
    while at < len(lines) and lines[at][:1] in {" ", "+", "-"}:
        if lines[at].startswith("--- ") and _followed_by(lines, at, "+++ "):
            break
        seen.changes = seen.changes or lines[at][0] != " "
        at += 1
    return at


def _git_path(line: str) -> str | None:
    """Returns the new path of `diff --git a/x b/x`; both are the same wherever it matters."""
    rest = line[len("diff --git ") :]
    if rest.startswith("a/") and len(rest) % 2 == 1:
        half = len(rest) // 2
        if rest[half] == " " and rest[2:half] == rest[half + 3 :]:
            return rest[2:half]
    for before, quote in ((' "b/', '"'), (" b/", "")):
        at = rest.rfind(before)
        if at >= 0:
            return _unquoted(quote + rest[at + len(before) :])
    return None


def _side(line: str, strict: bool) -> str | None:
    """Returns the path of a `---` or `+++` line; None for /dev/null."""
    name = line[4:].split("\t", 1)[0]
    path = _unquoted(name if strict else name.strip())
    if path == "/dev/null":
        return None
    return path[2:] if path.startswith(("a/", "b/")) else path or None


def _unquoted(path: str) -> str:
    if not (len(path) > 1 and path[0] == path[-1] == '"'):
        return path
    data = bytearray()
    end = 0
    inner = path[1:-1]
    for escape in _ESCAPE.finditer(inner):
        data += inner[end : escape.start()].encode(errors="surrogatepass")
        data += _escaped(escape[1])
        end = escape.end()
    data += inner[end:].encode(errors="surrogatepass")
    return data.decode(errors="surrogateescape")


def _escaped(code: str) -> bytes:
    if len(code) == 3:
        return bytes([int(code, 8) & 0xFF])
    return bytes([_LETTERS[code]]) if code in _LETTERS else code.encode(errors="surrogatepass")


def find_envelope(lines: Sequence[str], at: int) -> tuple[int, list[Action]]:
    """Reads a `*** Begin Patch` envelope; returns the line where it ends, and its actions."""
    found: list[Action] = []
    end = at + 1
    while end < len(lines) and not lines[end].startswith(_END):
        section = _SECTION.match(lines[end])
        if section is None:
            if lines[end].strip():
                return end, found
            end += 1
            continue
        start, end = end, _section_end(lines, end + 1)
        found.append(_section_action(section[1], section[2].strip(), lines[start:end]))
    return min(end + 1, len(lines)), found


def _section_end(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and (not lines[at] or lines[at].startswith(_BODY)):
        at += 1
    return at


def _section_action(verb: str, path: str, lines: Sequence[str]) -> Action:
    moved = [line[len(_MOVE) :].strip() for line in lines[1:2] if line.startswith(_MOVE)]
    raw = "\n".join(["*** Begin Patch", *lines, _END]) + "\n"
    paths = (path, *moved)
    if verb == "Add":
        content = "".join(f"{line[1:]}\n" for line in lines[1:] if line.startswith("+"))
        return Action(
            type="apply_patch",
            format="write_file",
            path=path,
            paths=paths,
            content=content,
            raw=raw,
            source="text",
            exact=True,
        )
    return Action(
        type="apply_patch",
        format="unified_diff",
        path=paths[-1],
        paths=paths,
        patch=raw,
        raw=raw,
        source="text",
        exact=verb == "Delete",
    )
