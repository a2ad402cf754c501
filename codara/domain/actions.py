"""Actions (ATR): changes that an answer proposes, or that a turn has made; never applied here."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import attrs
import orjson

from codara.domain.action import Action
from codara.domain.patches import find_envelope, read_file_diff, starts_file_diff

_MARK = re.compile(r"SEARCH|\*\*\* Begin Patch|diff --git |@@|[{\[]")
"""A text without any of these holds no action; most answers have none of them."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([A-Za-z0-9_+-]{0,20})")
_LABEL = re.compile(r"(?:#{1,6}[ \t]+|[*_`]{0,3}(?:File|Path|Filename)[*_`]{0,3}:)(.{1,1000})")
_LONE_PATH = re.compile(r"[^\s`*#<>|]{1,1000}")
_SEARCH = re.compile(r"<{5,9} ?SEARCH\b")
_DIVIDER = re.compile(r"={5,9}$")
_REPLACE = re.compile(r">{5,9} ?REPLACE\b")
_JSON_FENCES = frozenset({"json", "jsonc", ""})
_PATH_KEYS = ("path", "file", "file_path", "target_path")


def find(text: str) -> list[Action]:
    """Finds all actions of an answer, numbered from `atr_1`; empty for a plain answer."""
    return _numbered(_of_text(text))


def of_diff(patch: bytes, *, cut: bool = False) -> list[Action]:
    """Makes one `unified_diff` action of each file in a turn's diff.

    If the diff was `cut`, the last action may lack something and is not exact.
    """
    return _numbered(_of_diff(patch, cut=cut))


def both(text: str, patch: bytes, *, cut: bool = False) -> tuple[Action, ...]:
    """Returns what the answer proposes, then what the turn changed, without repeating content.

    `patch` and `cut` are as for `of_diff`.
    """
    return tuple(_numbered([*_of_text(text), *_of_diff(patch, cut=cut)]))


def _numbered(found: Iterable[Action]) -> list[Action]:
    distinct: dict[object, Action] = {}
    for action in found:
        distinct.setdefault(action.content_key(), action)
    return [
        attrs.evolve(action, action_id=f"atr_{number}")
        for number, action in zip(count(1), distinct.values(), strict=False)
    ]


def _of_diff(patch: bytes, *, cut: bool) -> list[Action]:
    found = list(_files_of(patch.decode(errors="surrogateescape")))
    if cut and found:
        found[-1] = attrs.evolve(found[-1], exact=False)
    return found


def _files_of(patch: str) -> Iterator[Action]:
    if not _MARK.search(patch):
        return
    lines = patch.split("\n")
    at = 0
    while at < len(lines):
        if not starts_file_diff(lines, at):
            at += 1
            continue
        at, action = read_file_diff(lines, at, source="diff")
        if action is not None:
            yield action


def _of_text(text: str) -> Iterator[Action]:
    if not _MARK.search(text):
        return
    if text.lstrip()[:1] in {"{", "["}:
        whole = list(_of_json(text))
        if whole:
            yield from whole
            return
    yield from _Scan(text.replace("\r\n", "\n").split("\n")).actions()


class _Scan:
    """Reads the lines of an answer once, from the first to the last."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.path: str | None = None
        self.ends = {
            name: _places(lines, test)
            for name, test in (("search", _SEARCH), ("divider", _DIVIDER), ("replace", _REPLACE))
        }

    def actions(self) -> Iterator[Action]:
        at = 0
        while at < len(self.lines):
            at, found = self._step(at)
            yield from found

    def _step(self, at: int) -> tuple[int, Sequence[Action]]:
        line = self.lines[at]
        if _SEARCH.match(line):
            return self._search_replace(at)
        if line.startswith("*** Begin Patch"):
            return find_envelope(self.lines, at)
        if starts_file_diff(self.lines, at):
            end, action = read_file_diff(self.lines, at, source="text")
            return end, [action] if action else []
        fence = _FENCE.match(line)
        if fence:
            return self._fence(at, fence)
        self._look_for_path(line)
        return at + 1, []

    def _search_replace(self, at: int) -> tuple[int, Sequence[Action]]:
        again = _next(self.ends["search"], at)
        divider = _next(self.ends["divider"], at)
        end = None if divider is None else _next(self.ends["replace"], divider)
        if divider is None or end is None or (again is not None and again < divider):
            return at + 1, []
        action = Action(
            type="patch",
            format="search_replace",
            path=self.path,
            paths=(self.path,) if self.path else (),
            search="\n".join(self.lines[at + 1 : divider]),
            replace="\n".join(self.lines[divider + 1 : end]),
            raw="\n".join(self.lines[at : end + 1]),
            source="text",
            exact=self.path is not None,
        )
        return end + 1, [action]

    def _fence(self, at: int, fence: re.Match[str]) -> tuple[int, Sequence[Action]]:
        """Only JSON needs to know where its fence ends; every other format ends by itself."""
        first = self.lines[at + 1].lstrip()[:1] if at + 1 < len(self.lines) else ""
        if fence[2].lower() not in _JSON_FENCES or first not in {"{", "["}:
            return at + 1, []
        for end in range(at + 1, len(self.lines)):
            if self.lines[end].lstrip().startswith(fence[1]):
                found = list(_of_json("\n".join(self.lines[at + 1 : end])))
                return (end + 1 if found else at + 1), found
        return len(self.lines), []

    def _look_for_path(self, line: str) -> None:
        label = _LABEL.match(line)
        if label:
            self.path = label[1].strip(" \t*_`:") or self.path
            return
        lone = line.strip(" \t*`:")
        looks_like_one = ("." in lone or "/" in lone) and not lone.endswith(".")
        if looks_like_one and _LONE_PATH.fullmatch(lone):
            self.path = lone


def _places(lines: Sequence[str], test: re.Pattern[str]) -> list[int]:
    """Returns the numbers of matching lines, the last first: `_next` drops those it passed."""
    return [at for at in range(len(lines) - 1, -1, -1) if test.match(lines[at])]


def _next(places: list[int], after: int) -> int | None:
    while places and places[-1] <= after:
        places.pop()
    return places[-1] if places else None


def _of_json(text: str) -> Iterator[Action]:
    """Yields nothing for text that is not JSON, nested too deep, or holds half a surrogate pair."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    if isinstance(value, dict) and isinstance(value.get("actions"), list):
        value = value["actions"]
    for item in value if isinstance(value, list) else [value]:
        action = _json_action(item) if isinstance(item, dict) else None
        if action is not None:
            yield action


def _json_action(item: dict[str, Any]) -> Action | None:
    texts = {key: value for key, value in item.items() if isinstance(value, str)}
    kind = texts.get("type")
    what = _json_format(texts)
    path = next((texts[key] for key in _PATH_KEYS if texts.get(key)), None)
    if not kind or what is None or (path is None and "command" not in what):
        return None
    try:
        raw = orjson.dumps(item).decode()
    except orjson.JSONEncodeError:
        return None
    return Action(
        type=kind,
        path=path,
        paths=(path,) if path else (),
        paths_b64=(),
        raw=raw,
        source="json",
        exact=True,
        **what,
    )


def _json_format(texts: dict[str, str]) -> dict[str, str] | None:
    if "search" in texts and "replace" in texts:
        return {
            "format": "search_replace",
            "search": texts["search"],
            "replace": texts["replace"],
        }
    for key in ("patch", "diff"):
        if key in texts:
            return {"format": "unified_diff", "patch": texts[key]}
    if "content" in texts:
        return {"format": "write_file", "content": texts["content"]}
    if "command" in texts:
        return {"format": "command", "command": texts["command"]}
    return None
