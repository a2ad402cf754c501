"""The web application: every route, and what surrounds all of them."""

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
from codara.http.services import SERVICES, Services

_MODULES = (
    health,
    chat,
    models,
    user,
    auth,
    users,
    keys,
    accounts,
    sessions,
    tasks,
    traces,
    workspaces,
    audit,
    management_health,
    waiting,
)


def build(services: Services) -> web.Application:
    """The application for these services; it opens and closes nothing itself."""
    app = web.Application(
        middlewares=[errors], client_max_size=services.settings.server.max_body_bytes
    )
    app[SERVICES] = services
    app.on_response_prepare.append(sign)
    for module in _MODULES:
        app.add_routes(module.routes)
    return app
