"""History: what the agent has not heard yet, told from the client's list of messages."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

import attrs

from codara.errors import InvalidRequest
from codara.events.session import Thread

Message = tuple[str, str]
"""Role and text."""

DigestOf = Callable[[str], str]
"""A keyed digest of fixed length, so that recorded digests give no text away."""

_INSTRUCTING = frozenset({"system", "developer"})
_OPENING = (
    "This is the conversation so far, oldest message first. A line like the next one names who "
    "is speaking. Answer the last message."
)


@attrs.frozen(kw_only=True)
class History:
    """What a request adds to a thread.

    `new` are the user's texts to send, unless `whole` says that the agent needs the entire history
    as one text. `resend`: the agent has heard them already and hears the last one again.
    `diverged`: the thread cannot go on, a fresh one begins. `thread` is how it stands afterwards.
    """

    new: tuple[str, ...]
    thread: Thread
    whole: bool = False
    resend: bool = False
    diverged: bool = False


def roll(digest: str, message: str, digest_of: DigestOf) -> str:
    """The rolling digest after one more user message; white space around it does not count."""
    return digest_of(f"{digest}\n{message.strip()}")


def compare(thread: Thread, messages: Sequence[Message], digest_of: DigestOf) -> History:
    """Tells what of `messages` the thread has not heard.

    Only user messages are compared. A thread without a backend id has heard nothing.
    InvalidRequest if no user says anything.
    """
    texts = [text for role, text in messages if role == "user"]
    if not texts:
        raise InvalidRequest("messages holds no message of the user.", param="messages")
    known = thread if thread.backend_id is not None else Thread()
    if not any(role == "assistant" for role, _ in messages):
        return History(new=tuple(texts), thread=_heard(known, texts, digest_of))
    if known.messages == 0:
        return History(new=tuple(texts), thread=_heard(known, texts, digest_of), whole=True)
    return _continued(known, texts, digest_of)


def _continued(known: Thread, texts: Sequence[str], digest_of: DigestOf) -> History:
    prefix = _heard(Thread(), texts[: known.messages], digest_of)
    if (prefix.messages, prefix.digest) != (known.messages, known.digest):
        fresh = _heard(Thread(), texts, digest_of)
        return History(new=tuple(texts), thread=fresh, whole=True, diverged=True)
    rest = texts[known.messages :]
    if not rest:
        return History(new=(texts[-1],), thread=known, resend=True)
    return History(new=tuple(rest), thread=_heard(known, rest, digest_of))


def _heard(thread: Thread, texts: Iterable[str], digest_of: DigestOf) -> Thread:
    count, digest = thread.messages, thread.digest
    for text in texts:
        count, digest = count + 1, roll(digest, text, digest_of)
    return attrs.evolve(thread, messages=count, digest=digest)


def instructions(messages: Iterable[Message]) -> str:
    """The texts of system and developer messages, a blank line between them."""
    texts = [text.strip() for role, text in messages if role in _INSTRUCTING]
    return "\n\n".join(text for text in texts if text)


def render_history(messages: Sequence[Message]) -> str:
    """The whole conversation as one text, instructions left out.

    No message can pass for another one's label: where a text holds ``===``, the labels carry a
    digest of all texts, which none of them can contain.
    """
    said = [(role, text) for role, text in messages if role not in _INSTRUCTING]
    mark = _mark(said)
    parts = [f"=== {role.upper()}{mark} ===\n{text}" for role, text in said]
    return "\n\n".join([_OPENING, *parts])


def _mark(said: Sequence[Message]) -> str:
    if not any("===" in text for _, text in said):
        return ""
    whole = "\0".join(f"{role}\0{text}" for role, text in said)
    return f" {hashlib.sha256(whole.encode(errors='surrogatepass')).hexdigest()[:16]}"
