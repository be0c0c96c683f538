"""The outermost layer on every route: Host, Origin, key and body size, before any work is done."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lmserver.errors import ApiError
from lmwire.errors import ErrorBody, ErrorCode

MAX_BODY = 32 << 20
"""Bytes of a request body: far more than any context holds, and little enough to keep in memory."""

T = TypeVar("T")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """Wraps the application; a request that it refuses never reaches a route."""

    def __init__(self, app: ASGIApp, *, key: str | None, is_loopback: bool) -> None:
        """Wrap `app`.

        Args:
            key: what clients must send as `Authorization: Bearer` or `x-api-key`; None when none is needed.
            is_loopback: whether the server listens on loopback alone, so that any other Host is a page that
                rebound its name to this machine.
        """
        self._app = app
        self._digest = hashlib.sha256(key.encode()).digest() if key else None
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        try:
            self._check_host(headers)
            self._check_origin(headers)
            self._check_key(headers, scope["path"])
            receive = _bounded(receive, headers)
        except ApiError as error:
            await answer(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_host(self, headers: dict[str, list[str]]) -> None:
        hosts = headers.get("host", [])
        if len(hosts) != 1:
            raise ApiError(400, "A request has exactly one Host header.", code=ErrorCode.FORBIDDEN_HOST)
        if self._is_loopback and not _is_local(hosts[0]):
            raise ApiError(
                403,
                "This server answers to localhost only; the Host header named another machine.",
                code=ErrorCode.FORBIDDEN_HOST,
            )

    def _check_origin(self, headers: dict[str, list[str]]) -> None:
        # Only browsers send an Origin, and no page is allowed yet but one that this machine itself serves.
        for origin in headers.get("origin", []):
            if not _is_local(origin.partition("://")[2]):
                raise ApiError(
                    403, "Pages of other origins may not use this server.", code=ErrorCode.FORBIDDEN_ORIGIN
                )

    def _check_key(self, headers: dict[str, list[str]], path: str) -> None:
        if self._digest is None or path == "/health":
            return
        scheme, _, bearer = headers.get("authorization", [""])[0].partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", [""])[0]
        # Digests have one length, so the comparison takes one time whatever was sent.
        if not hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._digest):
            raise ApiError(
                401,
                "This server needs an API key, and none that it knows was sent. Send it as "
                "`Authorization: Bearer KEY`; the key is what LMSTUDIO_API_KEY held when the server started.",
                code=ErrorCode.INVALID_API_KEY,
                kind="authentication_error",
            )


def answer(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """Write the response for an error."""
    content = msgspec.json.encode(ErrorBody(error.body))
    return Response(content, error.status, {**error.headers, **(headers or {})}, media_type="application/json")


def _headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _is_local(netloc: str) -> bool:
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return host in _LOOPBACK or host.endswith(".localhost")


def _bounded(receive: Receive, headers: dict[str, list[str]]) -> Receive:
    length = headers.get("content-length", ["0"])[0]
    if length.isdigit() and int(length) > MAX_BODY:
        raise _too_large()
    if headers.get("content-encoding", ["identity"])[0] != "identity":
        raise ApiError(415, "Compressed bodies are not accepted.", code=ErrorCode.INVALID_VALUE)
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise _too_large()
        return message

    return bounded


def _too_large() -> ApiError:
    return ApiError(413, f"The body is larger than {MAX_BODY >> 20} MiB.", code=ErrorCode.BODY_TOO_LARGE)


def decode(body: bytes, kind: type[T]) -> T:
    """Parse a request body strictly into a struct.

    Raises:
        ApiError: 400 with the member's path in `param`.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        param = path.rstrip("`").lstrip(".") or None
        message = f"{param}: {reason}." if param else f"{reason}."
        raise ApiError(400, message, code=ErrorCode.INVALID_VALUE, param=param) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"The body is not JSON: {error}.", code=ErrorCode.INVALID_JSON) from error
