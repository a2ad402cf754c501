"""How a template is recognised: by its head, what encloses the history, and its end."""

import attrs

_WORDS = 40
"""Words compared at each end of a text: more than the longest head or end has."""


@attrs.frozen
class Wrapped:
    """A text with its two ends, in which each white space is one space."""

    whole: str
    beginning: str
    ending: str

    @classmethod
    def of(cls, whole: str) -> "Wrapped":
        """Makes it of a text; the cost is linear in the text's length."""
        first = whole.split(maxsplit=_WORDS)[:_WORDS]
        last = whole.rsplit(maxsplit=_WORDS)[-_WORDS:]
        return cls(whole, " ".join(first), " ".join(last))


@attrs.frozen(kw_only=True)
class TextForm:
    """How a text begins, what it contains in this order, and how it ends; empty fits all.

    `head` and `end` may list the variants of one client's versions.
    """

    head: str | tuple[str, ...] = ""
    marks: tuple[str, ...] = ()
    end: str | tuple[str, ...] = ""

    def fits(self, text: Wrapped) -> bool:
        """Tells whether the text as a whole has this form."""
        if not (text.beginning.startswith(self.head) and text.ending.endswith(self.end)):
            return False
        at = 0
        for mark in self.marks:
            found = text.whole.find(mark, at)
            if found < 0:
                return False
            at = found + len(mark)
        return True


@attrs.frozen(kw_only=True)
class Template:
    """A request whose instruction is a message of its own, or is in the system messages.

    `user` is the form of what the user says, `rules` that of the system messages. Without `rules`
    any system message fits, as programs put the model's own one before a template.
    """

    name: str
    user: TextForm = TextForm()
    rules: TextForm | None = None
