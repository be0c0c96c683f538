"""Puts the server together: routes, guard and error shapes around one service."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lmserver import metrics
from lmserver.errors import ApiError
from lmserver.guard import Access, Guard, answer
from lmserver.journal import CLIENT_LEFT, Journal, record_of
from lmserver.metrics import Metrics
from lmserver.openapi import describe
from lmserver.routes import Endpoint, chat, completions, embeddings, models, native, responses
from lmserver.routes.work import ClientLeft
from lmserver.service import Service
from lmwire.errors import ErrorCode


def build(service: Service, access: Access) -> ASGIApp:
    """Make the application that serves the models to those who have access."""
    app = Starlette(
        routes=[Route(each.path, each.handler, methods=[each.method]) for each in ENDPOINTS],
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            ClientLeft: _client_left,
            ClientDisconnect: _client_left,
            Exception: _unforeseen,
        },
    )
    app.state.service = service
    app.state.metrics = Metrics()
    paths = {each.handler: each.path for each in ENDPOINTS}
    return Journal(Guard(app, access), app.state.metrics, paths)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(_: Request) -> Response:
    return JSONResponse(describe(ENDPOINTS))


ENDPOINTS = (
    *models.ENDPOINTS,
    *chat.ENDPOINTS,
    *completions.ENDPOINTS,
    *responses.ENDPOINTS,
    *embeddings.ENDPOINTS,
    *native.ENDPOINTS,
    *metrics.ENDPOINTS,
    Endpoint("GET", "/health", "is the server up", _health),
    Endpoint("GET", "/openapi.json", "this API as OpenAPI describes it", _openapi, is_listed=False),
)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    record_of(request).failed(error.body)
    return answer(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    if error.status_code == 405:
        allowed = _allowed(request)
        message = f"{where}: this path takes {allowed}."
        return answer(ApiError(405, message, code=ErrorCode.METHOD_NOT_ALLOWED), {"Allow": allowed})
    return answer(ApiError(error.status_code, f"{where}: there is no such endpoint here.", code=ErrorCode.NOT_FOUND))


def _allowed(request: Request) -> str:
    """List what all endpoints of a path take; the framework knows those of the first one only."""
    endpoint = request.scope.get("endpoint")
    paths = {each.path for each in ENDPOINTS if each.handler is endpoint}
    methods = {each.method for each in ENDPOINTS if each.path in paths}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def _client_left(_: Request, error: Exception) -> Response:
    # Nobody reads this.
    return Response(status_code=CLIENT_LEFT)


async def _unforeseen(request: Request, error: Exception) -> Response:
    # The cause goes to the server's own log, which the journal writes, never into a body.
    return answer(
        ApiError(
            500,
            f"The server failed on this request; its log says why, at {record_of(request).id}.",
            code=ErrorCode.INTERNAL,
            kind="server_error",
        )
    )
