"""Names of uploaded files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara.domain.uploads import LONGEST_NAME, safe_name, safe_names, told


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("notes.md", "notes.md"),
        ("../../etc/passwd", "passwd"),
        ("C:\\secrets\\a b.txt", "a b.txt"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\nb\x00c.txt", "a_b_c.txt"),
        ("$(rm -rf).sh", "_(rm -rf).sh"),
        ("größe.txt", "größe.txt"),
        ("x" * 200 + ".json", "x" * 115 + ".json"),
    ],
)
def test_a_name_becomes_one_that_is_safe_in_a_folder(name, safe):
    assert safe_name(name) == safe


def test_equal_names_are_told_apart():
    names = safe_names(["a.txt", "x/a.txt", "A.TXT", "b", "b"])
    assert names == ("a.txt", "a-2.txt", "A-3.TXT", "b", "b-2")


@given(st.lists(st.text(), max_size=6))
def test_whatever_they_are_called_they_get_plain_names(names):
    safe = safe_names(names)
    assert len({name.casefold() for name in safe}) == len(names)
    for name in safe:
        assert 1 <= len(name.encode()) <= LONGEST_NAME + 8
        assert name.isprintable()
        assert not name.startswith(".")
        assert "/" not in name and "\\" not in name


def test_the_agent_hears_where_the_files_are():
    line = told("trn_1", [("a.txt", "a.txt"), ("b.txt", "b.txt")])
    assert line.endswith(".codara/uploads/trn_1/a.txt, .codara/uploads/trn_1/b.txt")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("x/b.txt", '"x/b.txt"'),
        ('a"\nb', '"a\\"\\nb"'),
        ("caf\udce9", '"caf\\udce9"'),
        ("ä" * 500, f'"{"ä" * LONGEST_NAME}"'),
    ],
)
def test_a_file_that_got_another_name_is_told_with_the_one_it_was_sent_under(sent, shown):
    line = told("trn_1", [("b.txt", sent)])
    assert line.endswith(f"/b.txt (sent as {shown})")
    line.encode()
