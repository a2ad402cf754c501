"""Values of the facts of a session: how far it has come, and the agent's own conversation."""

import attrs


@attrs.frozen(kw_only=True)
class Point:
    """How far a conversation has come, as digests under a secret of its user.

    They tell equal transcripts and nothing else. All are empty before the first word.
    """

    digest: str = ""
    """Of everything that was asked and answered."""
    entries: int = 0
    """How many questions and answers that are."""
    answered: str = ""
    """The digest behind the last answer; another one than `digest` while a question is open."""
    question: str = ""
    """Of what the user has said since the last answer."""
    exchange: str = ""
    """Of the last question with its answer."""
    tail: str = ""
    """Of the last two of those; empty while there are fewer."""
    pictures: str = ""
    """Of all pictures; they only tell points of one transcript apart."""


@attrs.frozen(kw_only=True)
class Thread:
    """The agent's own conversation, and how far it has come.

    `mark` is the agent's own id of that point, at which the thread can be branched later; `tree` is
    the id of the workspace's tree there, empty where it is not known.
    """

    backend_id: str | None = None
    point: Point = attrs.field(factory=Point)
    mark: str | None = None
    tree: str = ""


@attrs.frozen(kw_only=True)
class Elsewhere:
    """The session's thread with another provider than its last turn's."""

    provider: str
    thread: Thread


@attrs.frozen(kw_only=True)
class Branch:
    """Where a thread branches: behind a turn of some session, at the mark that its end recorded."""

    session_id: str
    turn_id: str
    backend_id: str
    mark: str
