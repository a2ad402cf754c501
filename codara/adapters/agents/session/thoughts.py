"""The reasoning of an answer that may be asked for again: what is thought twice is heard once."""

import attrs

_BETWEEN_THOUGHTS = "\n\n"


@attrs.frozen
class Thoughts:
    """What was heard of them, in pieces, and how far it was repeated; None if it never was.

    Each piece is longer than the one behind it, so that a long thought is not copied for each word.
    """

    pieces: tuple[str, ...] = ()
    again: int | None = None

    @property
    def heard(self) -> str:
        return "".join(self.pieces)

    def begin_again(self) -> "Thoughts":
        """The same answer is asked for a second time."""
        return Thoughts((self.heard,), 0) if self.pieces else Thoughts()

    def think(self, text: str) -> tuple["Thoughts", str]:
        """Returns a piece, and what is new of it.

        Where a repetition departs from what was heard, it is another thought: it is heard whole,
        behind an empty line.
        """
        if self.again is None:
            return self._plus(text), text
        heard, at = self.heard, self.again
        known = heard[at : at + len(text)]
        if text == known:
            return attrs.evolve(self, again=at + len(text)), ""
        if heard[at:] == known and text.startswith(known):
            new = text.removeprefix(known)
            return Thoughts(self.pieces)._plus(new), new
        said = heard[:at] + text
        return Thoughts((said,)), _BETWEEN_THOUGHTS + said

    def _plus(self, text: str) -> "Thoughts":
        pieces = self.pieces
        while pieces and len(pieces[-1]) <= len(text):
            pieces, text = pieces[:-1], pieces[-1] + text
        return Thoughts((*pieces, text) if text else pieces)
