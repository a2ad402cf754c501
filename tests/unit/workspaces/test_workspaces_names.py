"""Folder names."""

from hypothesis import given
from hypothesis import strategies as st

from codara.adapters.workspaces.names import folder_name

labels = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=120)


def test_plain_labels_are_their_own_names():
    assert folder_name("my-app_1.2") == "my-app_1.2"


def test_slashes_dots_and_percent_signs_are_encoded():
    assert [folder_name(label) for label in ("a/b", ".", "..", ".git", "a%2Fb", "ä")] == [
        "a%2Fb",
        "%2E",
        "%2E.",
        "%2Egit",
        "a%252Fb",
        "%C3%A4",
    ]


@given(labels, labels)
def test_different_labels_never_share_a_folder(one: str, other: str):
    assert (folder_name(one) == folder_name(other)) == (one == other)


@given(labels | st.integers(60, 120).map(lambda n: "語" * n))
def test_every_name_is_one_short_visible_path_component(label: str):
    name = folder_name(label)
    assert 0 < len(name) <= 255
    assert "/" not in name
    assert not name.startswith(".")
    assert name.isascii()


def test_long_labels_that_begin_alike_differ():
    assert folder_name("語" * 119 + "a") != folder_name("語" * 119 + "b")
