"""Labels of workspaces and sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara.domain.labels import checked_label
from codara.errors import InvalidRequest


@pytest.mark.parametrize(
    "label",
    ["default", "team/app", "a.b-c_d", ".hidden", "größe", "проект", "हिंदी", "x" * 120, "a/./b"],
)
def test_a_label_of_letters_digits_and_a_few_signs_is_taken_as_it_is(label: str):
    assert checked_label(label, "workspace_id") == label


@pytest.mark.parametrize(
    "label",
    [
        "",
        "x" * 121,
        "/etc",
        "..",
        "a/../b",
        "a::b",
        "a b",
        "a\nb",
        "a\x00",
        "a\u202eb",
        "%2F",
        "\ud800",
        "a\\b",
    ],
)
def test_anything_else_is_refused_with_the_field_that_holds_it(label: str):
    with pytest.raises(InvalidRequest) as refused:
        checked_label(label, "client_session_id")
    assert refused.value.param == "client_session_id"
    refused.value.message.encode()


@given(st.text(max_size=130))
def test_no_text_breaks_the_check(label: str):
    try:
        assert checked_label(label, "workspace_id") == label
    except InvalidRequest:
        return
    assert label
    assert "\n" not in label
    assert ".." not in label.split("/")
