"""Ids that count."""

from collections import Counter


class CountingIds:
    """`new_id` that counts per prefix: ``trn_1``, ``trn_2``, ..."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, prefix: str) -> str:
        self._counts[prefix] += 1
        return f"{prefix}_{self._counts[prefix]}"
