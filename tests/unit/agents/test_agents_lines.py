"""Bytes into lines into objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara.adapters.agents.session.lines import Lines, LineTooLong, Mended, message_of, value_of


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"."))), st.data())
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reader = Lines()
    found = [line for chunk in chunks for line in reader.feed(chunk)]
    assert found == [kept for line in lines if (kept := line.removesuffix(b"\r"))]


def test_half_a_line_is_kept_for_the_end() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == [b"one"]
    assert lines.rest() == b"tw"


def test_a_line_over_the_limit_is_refused_before_it_ends() -> None:
    lines = Lines(limit=10)
    lines.feed(b"12345\n67890")
    with pytest.raises(LineTooLong):
        lines.feed(b"123456")


def test_windows_line_ends_are_no_part_of_a_line() -> None:
    assert Lines().feed(b"{}\r\n") == [b"{}"]


def test_only_json_objects_are_messages() -> None:
    assert message_of(b'{"a": 1}') == {"a": 1}
    assert message_of(b"[1]") is None
    assert message_of(b"hello") is None
    assert message_of(b'{"a": ') is None
    assert message_of(b"[" * 100_000) is None


def test_invalid_utf8_becomes_a_replacement_character() -> None:
    assert message_of(b'{"a": "x\xffy"}') == {"a": "x\ufffdy"}


def test_a_value_that_is_no_object_is_a_value_all_the_same() -> None:
    assert value_of(b'["\\ud83d!"]') == ["\ufffd!"]
    for none in (b"", b"hello", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            value_of(none)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    message = message_of(b'{"a": ["\\ud83d!", "\\ud83d\\ude00"]}')
    assert message == {"a": ["\ufffd!", "\U0001f600"]}


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        (b'{"a": "x\xffy"}', True),
        (b'{"a": {"b\\ud83d": 1}}', True),
        (b'{"a": "\xef\xbf\xbd"}', False),
        (b'{"a": NaN, "b": "\\ud83d\\ude00"}', False),
        (b'{"a": "\xc3\xa4"}', False),
    ],
)
def test_a_message_says_whether_something_of_it_was_replaced(line: bytes, mended: bool) -> None:
    assert isinstance(message_of(line), Mended) == mended
