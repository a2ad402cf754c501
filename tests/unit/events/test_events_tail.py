"""The tail of the log: in memory what the disk holds, or nothing at all."""

from collections.abc import Sequence

from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from codara.events.store import tail
from codara.events.store.tail import Tail


def stored(count: int, size: int) -> list[StoredEvent]:
    return [StoredEvent(f"s/{n}", n + 1, "thing.done", b"x" * size) for n in range(count)]


TRANSACTIONS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9_000)), max_size=12)


@given(TRANSACTIONS, st.integers(-3, 400), st.integers(1, 100), st.none() | st.integers(0, 400))
def test_it_says_what_the_log_would_or_that_it_does_not_know(
    transactions: Sequence[tuple[int, int]], after: int, limit: int, until: int | None
) -> None:
    kept, log = Tail(), []
    for count, size in transactions:
        events = stored(count, size)
        log += [
            (len(log) + n, event.originator_id, event.originator_version, event.topic, event.state)
            for n, event in enumerate(events, 1)
        ]
        kept.extend(len(log), events)
    rows = kept.behind(after, limit=limit, until=until)
    wanted = [row for row in log if row[0] > after and (until is None or row[0] <= until)][:limit]
    assert rows is None or rows == wanted


@given(TRANSACTIONS)
def test_it_stays_small(transactions: Sequence[tuple[int, int]]) -> None:
    kept, head = Tail(), 0
    for count, size in transactions:
        head += count
        kept.extend(head, stored(count, size))
        rows = kept.behind(max(0, head - tail.MOST_EVENTS), limit=1_000, until=None) or []
        assert sum(len(row[-1]) for row in rows) <= tail.MOST_BYTES


def test_who_is_one_transaction_behind_is_told() -> None:
    kept = Tail()
    for head in range(10, 1_000, 10):
        kept.extend(head, stored(10, 100))
        rows = kept.behind(head - 10, limit=500, until=head)
        assert rows is not None
        assert [row[0] for row in rows] == list(range(head - 9, head + 1))


def test_an_empty_tail_knows_nothing() -> None:
    assert Tail().behind(0, limit=10, until=None) is None
