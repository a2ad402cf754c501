"""Actions in answers and diffs."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codara.domain.actions import both, find, of_diff

DIFF = """diff --git a/src/app.py b/src/app.py
index 1111111..2222222 100644
--- a/src/app.py
+++ b/src/app.py
@@ -1,2 +1,2 @@
 import os
-print(1)
+print(2)
"""

BLOCK = """<<<<<<< SEARCH
old line
=======
new line
>>>>>>> REPLACE"""


@pytest.mark.parametrize("depth", [100, 300, 940, 950, 1100, 100_000])
def test_json_of_any_depth_is_read_or_left(depth):
    nested = "[" * depth + "]" * depth
    found = find('{"type": "note", "path": "a", "content": "x", "more": ' + nested + "}")
    assert [action.path for action in found] == (["a"] if depth == 100 else [])


def test_a_plain_answer_has_no_actions():
    assert find("I looked at it.\n\n- one\n--- two\n+++ three\n```python\nprint(1)\n```\n") == []


def test_a_search_replace_block_takes_the_path_before_it():
    (action,) = find(f"### src/app.py\nChange this:\n\n{BLOCK}\n")
    assert action.as_dict() == {
        "action_id": "atr_1",
        "type": "patch",
        "format": "search_replace",
        "path": "src/app.py",
        "paths": ["src/app.py"],
        "search": "old line",
        "replace": "new line",
        "raw": BLOCK,
        "source": "text",
        "exact": True,
    }


@pytest.mark.parametrize(
    "label", ["File: a/b.py", "Path: a/b.py", "a/b.py", "**a/b.py**", "`a/b.py`:", "## a/b.py"]
)
def test_the_path_may_be_labelled_in_several_ways(label: str):
    (action,) = find(f"{label}\n```\n{BLOCK}\n```\n")
    assert action.path == "a/b.py"


def test_a_block_without_a_path_is_not_exact():
    (action,) = find(BLOCK)
    assert action.path is None
    assert not action.exact


def test_an_unfinished_block_is_none():
    assert find("<<<<<<< SEARCH\nold\n=======\nnew\n") == []


@pytest.mark.parametrize("fence", ["```diff\n{}```\n", "```patch\n{}```\n", "~~~\n{}~~~\n", "{}"])
def test_a_unified_diff_is_found_fenced_or_bare(fence: str):
    (action,) = find("Here:\n" + fence.format(DIFF))
    assert (action.format, action.path, action.exact) == ("unified_diff", "src/app.py", True)
    assert action.patch == DIFF


def test_a_diff_without_gits_header_is_found_too():
    text = "--- a/x.txt\n+++ b/x.txt\n@@ -1 +1 @@\n-a\n+b\n"
    (action,) = find(f"Like so:\n\n{text}\nDone.\n")
    assert (action.path, action.patch) == ("x.txt", text)


def test_every_file_of_a_diff_is_an_action():
    other = "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+hi\n"
    assert [action.path for action in find(f"```diff\n{DIFF}{other}```")] == [
        "src/app.py",
        "new.txt",
    ]


def test_an_agent_that_miscounts_is_followed_but_not_called_exact():
    (action,) = find("--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n a\n-b\n+c\n+d\n")
    assert not action.exact
    assert action.patch.endswith("+d\n")


def test_an_envelope_without_hunks_is_found_too():
    (action,) = find("*** Begin Patch\n*** Delete File: a.txt\n*** End Patch")
    assert action.path == "a.txt"


def test_an_envelope_gives_an_action_for_every_file():
    envelope = """*** Begin Patch
*** Add File: new.txt
+hello
+world
*** Update File: src/app.py
*** Move to: src/main.py
@@ def f():
-    a
+    b
*** Delete File: old.txt
*** End Patch"""
    add, update, delete = find(f"```\n{envelope}\n```")
    assert (add.format, add.path, add.content) == ("write_file", "new.txt", "hello\nworld\n")
    assert (update.format, update.path) == ("unified_diff", "src/main.py")
    assert update.paths == ("src/app.py", "src/main.py")
    assert update.patch.startswith("*** Begin Patch\n*** Update File: src/app.py\n")
    assert delete.paths == ("old.txt",)


WRITE = {"type": "write", "path": "a.txt", "content": "x"}


@pytest.mark.parametrize(
    "value", [WRITE, [WRITE], {"actions": [WRITE]}, [WRITE, {"no": "type"}, 3, None]]
)
@pytest.mark.parametrize("around", ["```json\n{}\n```", "Do:\n```\n{}\n```\nBye", "{}"])
def test_json_actions_are_found_alone_in_lists_and_wrapped(value: object, around: str):
    (action,) = find(around.replace("{}", json.dumps(value, indent=1)))
    assert (action.type, action.format, action.source) == ("write", "write_file", "json")
    assert (action.path, action.content) == ("a.txt", "x")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"file": "f", "search": "a", "replace": "b", "content": "c"}, "search_replace"),
        ({"file_path": "f", "diff": "d"}, "unified_diff"),
        ({"target_path": "f", "patch": "d"}, "unified_diff"),
        ({"command": "make"}, "command"),
    ],
)
def test_the_first_known_fields_give_a_json_action_its_format(fields: dict, expected: str):
    (action,) = find(json.dumps({"type": "t", **fields}))
    assert action.format == expected


def test_json_that_is_no_action_is_left_alone():
    assert find('```json\n{"type": "text", "content": "hello"}\n```') == []
    assert find('{"a": ') == []


def test_a_turns_diff_gives_one_action_for_every_file():
    renamed = (
        "diff --git a/old name b/new name\nsimilarity index 100%\n"
        "rename from old name\nrename to new name\n"
    )
    binary = (
        "diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and b/p.png differ\n"
    )
    empty = "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n"
    found = of_diff((DIFF + renamed + binary + empty).encode())
    assert [action.path for action in found] == ["src/app.py", "new name", "p.png", "e"]
    assert found[1].paths == ("old name", "new name")
    assert {action.source for action in found} == {"diff"}
    assert "".join(action.patch for action in found) == DIFF + renamed + binary + empty


def test_a_removed_line_that_looks_like_a_header_stays_in_its_hunk():
    text = "--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n--- a/y\n-+++ b/y\n+z\n"
    (action,) = of_diff(text.encode())
    assert action.patch == text
    assert action.exact


def test_quoted_paths_are_read():
    text = 'diff --git "a/\\303\\244" "b/\\303\\244"\nnew file mode 100644\n'
    assert of_diff(text.encode())[0].path == "ä"


def test_what_answer_and_diff_both_say_is_told_once():
    found = both(f"```diff\n{DIFF}```\n### y\n{BLOCK}", DIFF.encode())
    assert [(action.action_id, action.source) for action in found] == [
        ("atr_1", "text"),
        ("atr_2", "text"),
    ]


PIECES = [
    "```", "```json", "~~~~", "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "diff --git a/x b/x",
    "--- a/x", "+++ b/x", "@@ -1,2 +1,2 @@", "@@", "+a", "-b", " c", "", "*** Begin Patch",
    "*** Update File: x", "*** Add File: y", "*** End Patch", "{", '{"type":"t","command":"c"}',
    "[", "### p", "File: q", "rename from a", 'rename to "b\\', "\\ No newline", "Binary files ",
    'diff --git "a/x" "b/\\3', "GIT binary patch", "\ud800", "\r",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=40).map("\n".join))
@example("{" * 100_000)
@example("[" * 100_000)
@example("```json\n" + '{"a":' * 50_000 + "\n```")
def test_no_text_breaks_the_search(text: str):
    found = both(text, text.encode(errors="surrogatepass"))
    assert [action.action_id for action in found] == [f"atr_{n + 1}" for n in range(len(found))]
    for action in found:
        assert action.raw
        assert action.as_dict()["format"] == action.format


@pytest.mark.parametrize("piece", [*PIECES, "b/ ", ' b/"', "#" * 70, "` ", "`", "<", "\\"])
@pytest.mark.parametrize("glue", ["\n", "", " "])
def test_a_long_answer_is_no_burden(piece: str, glue: str):
    """Quadratic searching would take minutes here."""
    many = (piece + glue) * (400_000 // (len(piece) + len(glue) or 1))
    both("diff --git " + many, b"diff --git " + many.encode(errors="surrogatepass"))
