"""`GET /v1/models`: the models of all agents, from memory."""

from typing import Any

import orjson
from aiohttp import web

from codara.application.callers import Caller
from codara.application.models import Model
from codara.errors import ModelNotFound
from codara.http.decoding import Fields
from codara.http.planes import CALLER
from codara.http.routing import Routes
from codara.http.services import SERVICES

routes = Routes(CALLER, "/v1")


@routes.raw("GET", "/models")
async def list_models(request: web.Request, _: Caller) -> web.Response:
    """Lists the models that can run now; with `all=true`, all that can be requested."""
    models = request.app[SERVICES].models
    everything = Fields(request.query).asked_for("all")
    found = await (models.everything() if everything else models.listing())
    data = [_shown(model, models.created) for model in found]
    return _json({"object": "list", "data": data})


@routes.raw("GET", "/models/{id:.+}")
async def get_model(request: web.Request, _: Caller) -> web.Response:
    """Shows one model, by its id in the listing or by its bare name, whether it can run or not."""
    models = request.app[SERVICES].models
    wanted = request.match_info["id"]
    for model in await models.everything():
        if wanted in model.names:
            return _json(_shown(model, models.created))
    raise ModelNotFound(f"No agent here has the model {wanted}.", param="model")


def _shown(model: Model, created: int) -> dict[str, Any]:
    shown = {
        "id": model.public,
        "object": "model",
        "created": created,
        "owned_by": model.provider,
    }
    return shown if model.title is None else {**shown, "display_name": model.title}


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
