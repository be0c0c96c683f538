"""Puts the server together: routes, guard and error shapes around one service."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lmserver.errors import ApiError
from lmserver.guard import Guard, answer
from lmserver.openapi import describe
from lmserver.routes import Endpoint, chat, models
from lmserver.routes.work import ClientLeft
from lmserver.service import Service
from lmwire.errors import ErrorCode


def build(service: Service, *, key: str | None, is_loopback: bool) -> ASGIApp:
    """Make the application.

    Args:
        service: the models.
        key: the API key that every route but `/health` needs, or None.
        is_loopback: whether only this machine can connect.
    """
    app = Starlette(
        routes=[Route(each.path, each.handler, methods=[each.method]) for each in ENDPOINTS],
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            ClientLeft: _client_left,
            Exception: _unforeseen,
        },
    )
    app.state.service = service
    return Guard(app, key=key, is_loopback=is_loopback)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(_: Request) -> Response:
    return JSONResponse(describe(ENDPOINTS))


ENDPOINTS = (
    *models.ENDPOINTS,
    *chat.ENDPOINTS,
    Endpoint("GET", "/health", "is the server up", _health),
    Endpoint("GET", "/openapi.json", "this API as OpenAPI describes it", _openapi, is_listed=False),
)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return answer(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{where}: this path takes {allowed}."
        return answer(ApiError(405, message, code=ErrorCode.METHOD_NOT_ALLOWED), {"Allow": allowed})
    return answer(ApiError(error.status_code, f"{where}: there is no such endpoint here.", code=ErrorCode.NOT_FOUND))


async def _client_left(_: Request, error: Exception) -> Response:
    # Nobody reads this; 499 is what access logs use for a client that closed its request.
    return Response(status_code=499)


async def _unforeseen(_: Request, error: Exception) -> Response:
    # The cause goes to the server's own log (uvicorn prints it), never into a body.
    return answer(
        ApiError(
            500,
            "The server failed on this request; its log says why.",
            code=ErrorCode.INTERNAL,
            kind="server_error",
        )
    )
