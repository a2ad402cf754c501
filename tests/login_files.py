"""Login files, as the CLIs write them."""

import json
from datetime import datetime
from typing import Any

from codara.demo.logins import signed

CHATGPT_ACCOUNT = "chatgpt-account-1"


def chatgpt(end: datetime, refresh: str = "refresh-0", name: str = "old") -> dict[str, Any]:
    """What `codex login` writes."""
    claims = {"https://api.openai.com/auth": {"chatgpt_account_id": CHATGPT_ACCOUNT}}
    access = signed({**claims, "sub": name, "exp": int(end.timestamp())})
    tokens = {"id_token": signed(claims), "access_token": access, "refresh_token": refresh}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens}


def claude(end: datetime, refresh: str = "refresh-0", name: str = "old") -> dict[str, Any]:
    """What Claude Code writes."""
    held = {
        "accessToken": f"claude-access-{name}",
        "refreshToken": refresh,
        "expiresAt": int(end.timestamp() * 1000),
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    return {"claudeAiOauth": held}


def google(end: datetime, refresh: str = "refresh-0", name: str = "old") -> dict[str, Any]:
    """What gemini writes, with the client that a file may name."""
    return {
        "access_token": f"google-access-{name}",
        "refresh_token": refresh,
        "token_type": "Bearer",
        "expiry_date": int(end.timestamp() * 1000),
        "client_id": "client-1",
        "client_secret": "public-1",
    }


FILES = {"claude": claude, "codex": chatgpt, "gemini": google}


def access_token(login: dict[str, Any]) -> str:
    """The access token of any of them."""
    held = login.get("tokens") or login.get("claudeAiOauth") or login
    return str(held.get("access_token") or held.get("accessToken"))


def written(login: dict[str, Any]) -> bytes:
    return json.dumps(login).encode()
