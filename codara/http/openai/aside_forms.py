"""How a template is recognised: by its head, by what stands around the history, by its end."""

import attrs

_WORDS = 40
"""So many words of both ends of a text are looked at: more than the longest head or end has."""


@attrs.frozen
class Text:
    """A text with both its ends at hand, any white space in them being one space."""

    whole: str
    beginning: str
    ending: str

    @classmethod
    def of(cls, whole: str) -> "Text":
        """The text; the cost is linear in its length, whatever it holds."""
        first = whole.split(maxsplit=_WORDS)[:_WORDS]
        last = whole.rsplit(maxsplit=_WORDS)[-_WORDS:]
        return cls(whole, " ".join(first), " ".join(last))


@attrs.frozen(kw_only=True)
class Form:
    """How a text begins, what it holds in this order, and how it ends; "" fits everything.

    `head` and `end` may name several ways of one client's versions.
    """

    head: str | tuple[str, ...] = ""
    marks: tuple[str, ...] = ()
    end: str | tuple[str, ...] = ""

    def fits(self, text: Text) -> bool:
        """Whether the text as a whole has this form."""
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
    """A request whose instruction is a message of its own, or stands in `rules`.

    `user` is the form of what the user says, `rules` that of the system messages; without `rules`
    anything may stand there, since programs put the model's own system message before a template.
    """

    name: str
    user: Form = Form()
    rules: Form | None = None
