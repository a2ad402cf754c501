"""What a line of text or an account's id may look like."""

import re

from codara.errors import InvalidRequest

LONGEST_LINE = 200
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def one_line(text: str, *, param: str) -> str:
    """Returns `text` without surrounding white space; InvalidRequest if it cannot be one line.

    That is: more than `LONGEST_LINE` characters, a line break or another control character.
    """
    line = text.strip()
    if len(line) > LONGEST_LINE:
        raise InvalidRequest(f"{param} is longer than {LONGEST_LINE} characters.", param=param)
    if any(not char.isprintable() for char in line):
        raise InvalidRequest(f"{param} holds a control character or a line break.", param=param)
    return line


def account_id(text: str) -> str:
    """Returns `text` if it can be the id of an account; InvalidRequest otherwise."""
    if not _ACCOUNT_ID.fullmatch(text):
        raise InvalidRequest(
            "An account id has 1 to 64 characters: letters, digits, dot, underscore and hyphen, "
            "and begins with a letter or a digit.",
            param="account_id",
        )
    return text
