"""The names of streams: what one version clash prevents is decided by what shares a stream."""

LOG = "log"
GATEWAY = "gateway"


def session(session_id: str) -> str:
    """Two turns of one session at once; a late end after recovery ended the turn."""
    return f"session/{session_id}"


def workspace(workspace_id: str) -> str:
    """Two turns writing one folder."""
    return f"workspace/{workspace_id}"


def account(account_id: str) -> str:
    """Lost changes of an account's health."""
    return f"account/{account_id}"


def token(account_id: str) -> str:
    """Nothing: only the last event is read."""
    return f"token/{account_id}"


def quota(account_id: str) -> str:
    """Nothing: only the last event is read."""
    return f"quota/{account_id}"


def lease(kind: str, owner: str, slot: int) -> str:
    """More turns at once of one owner than it has slots; only the last event is read."""
    return f"lease/{kind}/{owner}/{slot}"


def user(user_id: str) -> str:
    """Lost changes of a user's standing."""
    return f"user/{user_id}"


def key(key_hmac: str) -> str:
    """A revoked key that still works."""
    return f"key/{key_hmac}"


def name(name_hmac: str) -> str:
    """Two owners of one e-mail address, account id or workspace label."""
    return f"name/{name_hmac}"


def idempotency(key_hmac: str) -> str:
    """The same request run twice."""
    return f"idempotency/{key_hmac}"


def request(request_id: str) -> str:
    """Nothing: one request, one or two facts."""
    return f"request/{request_id}"


def operator(operator_id: str) -> str:
    """Nothing: a trail."""
    return f"operator/{operator_id}"


def jail(jail_id: str) -> str:
    """A jail that ends twice."""
    return f"jail/{jail_id}"
