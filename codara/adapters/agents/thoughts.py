"""The reasoning of an answer that may be asked for again: what is thought twice is heard once."""

import attrs

_BETWEEN_THOUGHTS = "\n\n"


@attrs.frozen
class Thoughts:
    """What was `heard` of them; `again` is how far they were repeated, None if they never were."""

    heard: str = ""
    again: str | None = None

    def begin_again(self) -> "Thoughts":
        """The same answer is asked for a second time."""
        return Thoughts(self.heard, "" if self.heard else None)

    def think(self, text: str) -> tuple["Thoughts", str]:
        """A piece, and what is new of it.

        Where a repetition departs from what was heard, it is another thought: it is heard whole,
        behind an empty line.
        """
        if self.again is None:
            return Thoughts(self.heard + text), text
        said = self.again + text
        if self.heard.startswith(said):
            return Thoughts(self.heard, said), ""
        if said.startswith(self.heard):
            return Thoughts(said), said.removeprefix(self.heard)
        return Thoughts(said), _BETWEEN_THOUGHTS + said
