"""How much a message of an agent may hold: counted before anything is made of it."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara import amount
from codara.adapters.agents.session.lines import heard_in, message_of, value_of
from codara.amount import MOST_DEPTH, MOST_VALUES, TooMuch, check_amount

MANY = b'{"a":[' + b"{}," * 3_000_000 + b"{}]}"
"""What took 200 MB and 0.3 s to be read."""


def nested(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    "text",
    [
        MANY,
        b"[" + b"1," * MOST_VALUES + b"1]",
        b"{" + b'"a":1,' * MOST_VALUES + b'"b":1}',
        b"[" + b'"",' * 3 * MOST_VALUES + b"1]",
    ],
)
def test_too_many_values_are_refused(text: bytes) -> None:
    with pytest.raises(TooMuch, match="more than 200,000 values"):
        check_amount(text)


def test_a_message_that_is_nested_too_deep_is_refused() -> None:
    check_amount(nested(MOST_DEPTH))
    with pytest.raises(TooMuch, match="deeper than 200 levels"):
        check_amount(nested(MOST_DEPTH + 1))


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    check_amount(b'{"a":[' + b"[[]]," * 1000 + b"1]}")


@pytest.mark.parametrize(
    "text", ["[{," * 200_000, '\\"[{,' * 200_000, "\\\\\\" * 3 + "[,{" * 200_000]
)
def test_a_long_text_is_one_value_whatever_stands_in_it(text: str) -> None:
    line = json.dumps({"text": text, "b": [text, "\\"]}).encode()
    check_amount(line)
    assert message_of(line) == {"text": text, "b": [text, "\\"]}


@given(
    st.recursive(
        st.none() | st.text(alphabet='\\"[]{},:a'),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text('\\"[,'), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_strings_never_count(value: object) -> None:
    text = json.dumps(value).encode()
    structure = [mark for mark in tokens(text) if mark in "[]{},:"]
    assert [
        mark
        for mark in amount._without_strings(text, amount.MOST_VALUES).decode()
        if mark in "[]{},:"
    ] == structure


def tokens(text: bytes) -> list[str]:
    """The JSON text's tokens, read one by one by the standard library."""
    found, at, said = [], 0, text.decode()
    while at < len(said):
        if said[at] == '"':
            _, at = json.decoder.scanstring(said, at + 1)
        else:
            found.append(said[at])
            at += 1
    return found


async def test_a_line_at_work_that_holds_too_much_is_told_as_that() -> None:
    with pytest.raises(TooMuch):
        await heard_in(MANY)


def test_elsewhere_it_is_no_message() -> None:
    assert message_of(MANY) is None
    with pytest.raises(ValueError, match="values"):
        value_of(MANY)


def test_refusing_it_takes_no_more_memory_than_a_few_times_the_line() -> None:
    tracemalloc.start()
    try:
        message_of(MANY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(MANY)
