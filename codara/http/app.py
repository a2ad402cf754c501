"""The web application: every route, and what all of them have in common."""

from typing import Any

from aiohttp import web

from codara.http import health, user, waiting
from codara.http.errors import errors
from codara.http.management import (
    accounts,
    audit,
    auth,
    keys,
    sessions,
    tasks,
    traces,
    users,
    workspaces,
)
from codara.http.management import health as management_health
from codara.http.openai import chat, models
from codara.http.requests import sign
from codara.http.routing import RawRoute, Route, Routes
from codara.http.services import SERVICES, Services

_TABLES: tuple[Routes[Any], ...] = (
    health.routes,
    chat.routes,
    models.routes,
    user.routes,
    waiting.user_routes,
    auth.open_routes,
    auth.routes,
    users.routes,
    keys.routes,
    accounts.routes,
    sessions.routes,
    tasks.routes,
    traces.routes,
    workspaces.routes,
    audit.routes,
    management_health.routes,
    waiting.routes,
)

ROUTES: tuple[Route[Any, Any, Any, Any] | RawRoute[Any], ...] = tuple(
    route for table in _TABLES for route in table.all
)
"""Every route of the gateway, each with its guard."""


def build(services: Services) -> web.Application:
    """Makes the application for these services; it neither opens nor closes them."""
    app = web.Application(
        middlewares=[errors], client_max_size=services.settings.server.max_body_bytes
    )
    app[SERVICES] = services
    app.on_response_prepare.append(sign)
    for route in ROUTES:
        if route.method == "GET":
            app.router.add_get(route.path, route.respond)
        else:
            app.router.add_route(route.method, route.path, route.respond)
    return app
