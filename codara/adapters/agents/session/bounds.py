"""How long a prompt may be: a bound that a CLI keeps, known before it is asked."""

from collections.abc import Callable

import attrs


def in_bytes(text: str) -> int:
    """Returns how many bytes a text takes in UTF-8."""
    return len(text.encode("utf-8", "replace"))


@attrs.frozen(kw_only=True)
class PromptBound:
    """The longest prompt that a CLI takes at once, in characters, or in what `measure` counts."""

    most: int
    unit: str = "characters"
    measure: Callable[[str], int] = len

    def excess(self, prompt: str) -> str:
        """Returns by how much a prompt is too long, in words; empty if it is not."""
        found = self.measure(prompt)
        if found <= self.most:
            return ""
        return (
            f"the input has {found:,} {self.unit}, and it takes up to {self.most:,} at once. "
            "Send less, or put the text into a file of the workspace."
        )
