"""Paths and patches as text for people, and their bytes where the text does not tell them."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from codara.events.readable import NOT_UTF8, patch_of, path_of

LATIN = b"diff --git a/l b/l\n--- a/l\n+++ b/l\n@@ -1 +1 @@\n-caf\xe9\n+caf\\xe9\n"
PLAIN = b"diff --git a/p b/p\n--- a/p\n+++ b/p\n@@ -1 +1 @@\n-a\n+\\xe9\n"


@given(st.binary(max_size=20))
def test_a_path_is_shown_as_text_and_kept_as_bytes(raw: bytes) -> None:
    text, encoded = path_of(raw)
    text.encode()
    if encoded is None:
        assert text.encode() == raw
    else:
        assert base64.b64decode(encoded) == raw


@given(st.binary(max_size=200))
def test_a_patch_is_always_text_and_the_same_text_if_it_is_utf_8(raw: bytes) -> None:
    assert patch_of(raw).encode() == raw or "\\x" in patch_of(raw)


def test_only_the_part_of_a_patch_that_is_not_utf_8_says_so() -> None:
    text = patch_of(PLAIN + LATIN + PLAIN)
    assert text.count(NOT_UTF8) == 1
    assert text.startswith(PLAIN.decode())
    assert text.endswith(PLAIN.decode())
    assert f"+++ b/l\n{NOT_UTF8}@@ -1 +1 @@\n-caf\\xe9\n" in text
