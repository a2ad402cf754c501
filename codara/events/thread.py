"""Values in the facts of a session: how far it has come, and the agent's own conversation."""

import attrs


@attrs.frozen(kw_only=True)
class Point:
    """How far a conversation has come, as digests under a secret of its user.

    The digests tell whether two transcripts are equal, and nothing else. All are empty before the
    first message.
    """

    digest: str = ""
    """The digest of everything that was asked and answered."""
    entries: int = 0
    """The number of questions and answers in `digest`."""
    answered: str = ""
    """The digest up to the last answer; it differs from `digest` while a question has no answer."""
    question: str = ""
    """The digest of what the user has said since the last answer."""
    exchange: str = ""
    """The digest of the last question with its answer."""
    tail: str = ""
    """The digest of the last two such exchanges; empty while there are fewer."""
    pictures: str = ""
    """The digest of all pictures; it only tells points of one transcript apart."""


@attrs.frozen(kw_only=True)
class Thread:
    """The agent's own conversation, and how far it has come.

    `mark` is the agent's own id of that point, at which the thread can be branched later. `tree` is
    the id of the workspace's tree at that point; empty where it is not known.
    """

    backend_id: str | None = None
    point: Point = attrs.field(factory=Point)
    mark: str | None = None
    tree: str = ""


@attrs.frozen(kw_only=True)
class Elsewhere:
    """The session's thread with a provider other than that of its last turn."""

    provider: str
    thread: Thread


@attrs.frozen(kw_only=True)
class Branch:
    """Where a thread branches: after a turn of some session, at the mark that its end recorded."""

    session_id: str
    turn_id: str
    backend_id: str
    mark: str
