"""`GET /v1/models`: the models of all agents, from memory."""

from typing import Any

import orjson
from aiohttp import web

from codara.application.callers import Caller
from codara.application.models import Model
from codara.errors import ModelNotFound
from codara.http.planes import CALLER
from codara.http.routing import Routes
from codara.http.services import SERVICES

routes = Routes(CALLER, "/v1")


@routes.raw("GET", "/models")
async def list_models(request: web.Request, _: Caller) -> web.Response:
    """Lists all models that can be requested."""
    models = request.app[SERVICES].models
    data = [_shown(model, models.created) for model in await models.listing()]
    return _json({"object": "list", "data": data})


@routes.raw("GET", "/models/{id:.+}")
async def get_model(request: web.Request, _: Caller) -> web.Response:
    """Shows one model, by its id in the listing or by its bare name."""
    models = request.app[SERVICES].models
    wanted = request.match_info["id"]
    for model in await models.listing():
        if wanted in (model.public, model.name):
            return _json(_shown(model, models.created))
    raise ModelNotFound(f"No agent here has the model {wanted}.", param="model")


def _shown(model: Model, created: int) -> dict[str, Any]:
    return {
        "id": model.public,
        "object": "model",
        "created": created,
        "owned_by": model.provider,
    }


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
