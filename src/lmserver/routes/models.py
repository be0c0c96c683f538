"""`GET /v1/models`, and one model of it."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lmserver.errors import ApiError
from lmserver.routes import Endpoint
from lmserver.service import Service
from lmwire.errors import ErrorCode
from lmwire.models import ModelCard, ModelList


async def list_models(request: Request) -> Response:
    """List every model that can be asked for, loaded or not."""
    service: Service = request.app.state.service
    return _json(ModelList(data=service.cards()))


async def show_model(request: Request) -> Response:
    """Describe one model, by any of its names."""
    service: Service = request.app.state.service
    name: str = request.path_params["name"]
    if not name:
        message = "GET /v1/models/: a model's id is missing. Leave out the last slash to list the models."
        raise ApiError(404, message, code=ErrorCode.NOT_FOUND)
    return _json(service.card(name))


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


ENDPOINTS = (
    Endpoint("GET", "/v1/models", "list models", list_models, reply=ModelList),
    Endpoint("GET", "/v1/models/{name:path}", "one model", show_model, reply=ModelCard, is_listed=False),
)
