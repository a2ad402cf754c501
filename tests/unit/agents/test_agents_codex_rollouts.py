"""What codex wrote down of a thread's tokens, whatever else lies in its home."""

import json
from pathlib import Path
from typing import Any

import pytest

from codara.adapters.agents.codex.rollouts import Noted, noted
from codara.adapters.agents.session.counts import TokenCounts

THREAD = "01a1f884-a75d-75a2-8b32-7a67d17264bb"


def counts(tokens: int) -> dict[str, int]:
    return {"input_tokens": tokens, "cached_input_tokens": 40, "output_tokens": 12}


def total(tokens: int) -> dict[str, Any]:
    info = {"total_token_usage": counts(tokens), "last_token_usage": counts(1)}
    return {"type": "event_msg", "payload": {"type": "token_count", "info": info}}


def record(turn_id: str, tokens: int) -> dict[str, Any]:
    payload = {"turn_id": turn_id, "usage": counts(1), "turn_token_usage": counts(tokens)}
    return {"type": "token_usage_record", "payload": payload}


def a_copy(source: str, end: Any) -> dict[str, Any]:
    base = {"thread_id": source, "end_byte_offset": end}
    return {"type": "session_meta", "payload": {"id": "copy", "history_base": base}}


NO_NEWS = {"type": "event_msg", "payload": {"type": "token_count", "info": None}}


class Store:
    """A home with the rollouts of a day."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.day = home / ".codex" / "sessions" / "2026" / "11" / "20"
        self.day.mkdir(parents=True)

    def write(self, *lines: dict[str, Any], thread_id: str = THREAD) -> Path:
        rollout = self.day / f"rollout-2026-11-20T10-00-00-{thread_id}.jsonl"
        rollout.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return rollout

    def noted(self) -> Noted | None:
        return noted(self.home, THREAD)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_the_last_words_hold(store: Store) -> None:
    store.write(record("one", 100), total(100), record("two", 150), total(250), NO_NEWS)
    found = store.noted()
    assert found is not None
    assert found.total == TokenCounts(input=250, cached=40, output=12)
    assert (found.turn_id, found.turn.input) == ("two", 150)
    assert found.report == counts(150)


def test_a_turn_that_was_stopped_is_written_down_before_the_threads_count(store: Store) -> None:
    store.write(record("one", 100), total(100), record("two", 150))
    found = store.noted()
    assert found is not None
    assert (found.total.input, found.turn_id, found.turn.input) == (100, "two", 150)


def test_a_thread_that_took_nothing_begins_at_nothing(store: Store) -> None:
    store.write({"type": "session_meta", "payload": {"id": THREAD}})
    assert store.noted() == Noted()


def test_a_copy_begins_where_the_thread_was_at_its_point(store: Store) -> None:
    lines = (record("one", 100), total(100), record("two", 150), total(250))
    end = sum(len(json.dumps(line)) + 1 for line in lines[:2])
    store.write(*lines, thread_id="source")
    store.write(a_copy("source", end), thread_id="copy")
    store.write(a_copy("copy", 1 << 20))
    found = store.noted()
    assert found is not None
    assert (found.total.input, found.turn_id, found.turn.input) == (100, "one", 100)
    store.write(a_copy("copy", 1 << 20), record("three", 50), total(150))
    found = store.noted()
    assert found is not None
    assert (found.total.input, found.turn_id) == (150, "three")


@pytest.mark.parametrize("end", [-1, "far", None])
def test_a_copy_of_nothing_has_no_number(store: Store, end: Any) -> None:
    store.write(record("one", 100), total(100), thread_id="source")
    store.write(a_copy("source", end))
    assert store.noted() is None


def test_a_copy_of_itself_is_looked_through_to_an_end(store: Store) -> None:
    store.write(a_copy(THREAD, 1 << 20))
    assert store.noted() == Noted()


def test_the_last_words_are_found_however_much_came_after_them(store: Store) -> None:
    noise = {"type": "response_item", "payload": {"output": "x" * 100_000}}
    store.write(record("one", 100), total(100), *[noise] * 30)
    found = store.noted()
    assert found is not None
    assert (found.total.input, found.turn_id) == (100, "one")


def test_half_a_line_at_the_end_says_nothing(store: Store) -> None:
    rollout = store.write(record("one", 100), total(100))
    with rollout.open("a") as file:
        file.write(json.dumps(total(900))[:-9])
    found = store.noted()
    assert found is not None and found.total.input == 100


def test_of_a_thread_without_a_record_nothing_is_known(store: Store, tmp_path: Path) -> None:
    store.write(total(100), thread_id="another")
    assert store.noted() is None
    assert noted(tmp_path / "nowhere", THREAD) is None


@pytest.mark.parametrize("tokens", [-1, 1 << 60, "many", [1]])
def test_numbers_that_codex_never_counted_are_none(store: Store, tokens: Any) -> None:
    store.write(record("one", 1), total(tokens))
    assert store.noted() is None


def test_no_link_is_followed_out_of_the_home(store: Store, tmp_path: Path) -> None:
    elsewhere = Store(tmp_path / "elsewhere")
    (store.day / f"rollout-x-{THREAD}.jsonl").symlink_to(elsewhere.write(total(100)))
    assert store.noted() is None
    (store.day / f"rollout-x-{THREAD}.jsonl").unlink()
    store.day.rmdir()
    store.day.symlink_to(elsewhere.day)
    assert store.noted() is None
