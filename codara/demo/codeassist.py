"""Code Assist, as the agent CLI speaks it on a Google login: the same answers, wrapped."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from codara.demo.geminiwire import Decide, Generate

_GENERATE = frozenset({"streamGenerateContent", "generateContent"})
_NOT_YOURS = "Permission denied on resource project {}."


class CodeAssist:
    """The routes of one server. Every login has a project of its own, and may use no other.

    `project_of` tells the project by the access token.
    """

    def __init__(self, decide: Decide) -> None:
        self.project_of: Callable[[str], str] = project_of
        self._generate = Generate(decide, wrap=lambda body: {"response": body})

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1internal:{method}", self._called)

    async def _called(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        own = self.project_of(shown)
        body = await request.json()
        if method in _GENERATE:
            asked = str(body.get("project"))
            if asked != own:
                return _refused(asked)
            model = str(body.get("model"))
            return await self._generate.answer(request, method, model, body.get("request") or {})
        return web.json_response(_answer(method, own))


def project_of(token: str) -> str:
    """Another one for each token."""
    return f"project-{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def _answer(method: str, project: str) -> Mapping[str, Any]:
    if method == "loadCodeAssist":
        tier = {"id": "standard-tier", "name": "Scripted"}
        return {"currentTier": tier, "cloudaicompanionProject": project}
    if method == "retrieveUserQuota":
        bucket = {"modelId": "gemini-2.5-pro", "tokenType": "REQUESTS"}
        left = {"remainingFraction": 0.75, "resetTime": "2100-01-01T00:00:00Z"}
        return {"buckets": [{**bucket, **left}]}
    return {}


def _refused(project: str) -> web.Response:
    message = _NOT_YOURS.format(project)
    error = {"code": 403, "message": message, "status": "PERMISSION_DENIED"}
    return web.json_response({"error": error}, status=403)
