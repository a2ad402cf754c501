"""The names of streams. Two writers of one stream clash, so its name decides what is prevented."""

LOG = "log"
GATEWAY = "gateway"


def session(session_id: str) -> str:
    """The session's stream.

    Its version prevents two turns of one session at once, and a late turn from finishing after
    recovery has ended it.
    """
    return f"session/{session_id}"


def workspace(workspace_id: str) -> str:
    """The workspace's stream. Its version prevents two turns from writing to one folder at once."""
    return f"workspace/{workspace_id}"


def account(account_id: str) -> str:
    """The account's stream. Its version keeps changes of the account's health from being lost."""
    return f"account/{account_id}"


def token(account_id: str) -> str:
    """The stream of a login's new tokens. It prevents nothing: only its last event is read."""
    return f"token/{account_id}"


def quota(account_id: str) -> str:
    """The stream of an account's quota. It prevents nothing: only its last event is read."""
    return f"quota/{account_id}"


def lease(kind: str, owner: str, slot: int) -> str:
    """The stream of one slot of `owner`; only its last event is read.

    Its version keeps the owner from having more turns at once than slots.
    """
    return f"lease/{kind}/{owner}/{slot}"


def user(user_id: str) -> str:
    """The user's stream. Its version keeps changes of the user's standing from being lost."""
    return f"user/{user_id}"


def key(key_hmac: str) -> str:
    """The stream of an API key. Its version keeps a revoked key from working."""
    return f"key/{key_hmac}"


def name(name_hmac: str) -> str:
    """The stream of a name.

    Its version prevents two owners of one e-mail address, label or credential.
    """
    return f"name/{name_hmac}"


def idempotency(key_hmac: str) -> str:
    """The stream of an idempotency key. Its version keeps one request from running twice."""
    return f"idempotency/{key_hmac}"


def request(request_id: str) -> str:
    """The request's stream. It prevents nothing: a request has one or two facts."""
    return f"request/{request_id}"


def operator(operator_id: str) -> str:
    """The stream of an operator's login. It prevents nothing: it is a trail."""
    return f"operator/{operator_id}"


def jail(jail_id: str) -> str:
    """The jail's stream. Its version keeps a jail from ending twice."""
    return f"jail/{jail_id}"
