"""Labels: the names users give to their workspaces and sessions."""

import unicodedata

from codara.errors import InvalidRequest

MAX_CHARACTERS = 120
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-")


def checked_label(value: str, param: str) -> str:
    """Returns the label as it was given; InvalidRequest, with the reason, if it is not allowed.

    `param` is the field that the error names.
    """
    wrong = _what_is_wrong(value)
    if wrong is not None:
        raise InvalidRequest(
            f"{param} {wrong}. A label has 1 to {MAX_CHARACTERS} letters, digits or . _ / -",
            param=param,
        )
    return value


def _what_is_wrong(value: str) -> str | None:
    if not value:
        return "is empty"
    if len(value) > MAX_CHARACTERS:
        return f"has {len(value)} characters"
    if value.startswith("/"):
        return "begins with /"
    if ".." in value.split("/"):
        return "has a .. segment"
    for character in value:
        if not _allowed(character):
            return f"holds the character {character!a}"
    return None


def _allowed(character: str) -> bool:
    """Allows letters of every script, and the marks that some scripts write on them."""
    return character in _PLAIN or unicodedata.category(character)[0] in "LM"
