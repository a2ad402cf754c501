"""Tokens, counted as our frames count them."""

from collections.abc import Callable

import attrs


@attrs.frozen
class TokenCounts:
    """Counts of tokens; `input` includes `cached`, `output` includes `reasoning`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def plus(self, other: "TokenCounts") -> "TokenCounts":
        """Returns the sum."""
        return self._each(other, lambda one, two: one + two)

    def since(self, earlier: "TokenCounts") -> "TokenCounts":
        """Returns the growth; a count that shrank (a compacted thread's) has grown by nothing."""
        return self._each(earlier, lambda now, before: max(0, now - before))

    def _each(self, other: "TokenCounts", combine: Callable[[int, int], int]) -> "TokenCounts":
        mine, theirs = attrs.astuple(self), attrs.astuple(other)
        return TokenCounts(*(combine(one, two) for one, two in zip(mine, theirs, strict=True)))
