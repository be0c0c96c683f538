"""The outermost checks on every route: Host, Origin, key, limits and deadlines, before any work is done."""

import asyncio
import ipaddress
import re
import socket
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lmserver.connection import Limits
from lmserver.errors import ApiError, ModelError
from lmserver.expected import values_at
from lmserver.keys import Keyring
from lmserver.strict import NotStrict, require_strict
from lmwire.errors import ErrorBody, ErrorCode

T = TypeVar("T")

Headers = dict[str, list[str]]

METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
"""What pages of allowed origins may send."""

LARGE = 256 << 10
"""Bytes of a body that are parsed within some milliseconds."""

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~ ,-]{1,1000}")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may use the server."""

    keys: Keyring
    is_loopback: bool
    """Whether it listens on loopback alone, so that any other Host is a page that rebound its name to it."""
    host: str = ""
    """The address that it listens on, as the operator wrote it."""
    origins: tuple[str, ...] = ()
    """Origins of pages that may use it, as `origin` gives them."""
    limits: Limits = Limits()


def origin(text: str) -> str:
    """Write an origin as browsers do: `https://example.org`, with a port unless it is the usual one.

    Raises:
        ModelError: for what is not the origin of pages.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username)
    except ValueError:
        host, port, parts, rest = None, None, urlsplit(""), ()
    if text == "*":
        raise ModelError(
            "--cors * would let every page on the web use the models. Name the pages' origins, one --cors each: "
            "--cors https://example.org"
        )
    if not host or any(rest) or parts.scheme.lower() in {"", "file"} or not text.isascii():
        raise ModelError(
            f"--cors {text!a}: expected an origin, as in --cors https://example.org or http://localhost:3000"
        )
    usual = {"http": 80, "https": 443}.get(parts.scheme.lower())
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme.lower()}://{shown}" + (f":{port}" if port not in {None, usual} else "")


class Guard:
    """Wraps the application; a request that it refuses never reaches a route."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Wrap `app`, which is inside of the journal."""
        self._app = app
        self._access = access
        self._limits = access.limits
        self._own_names = _own_names(access.host)
        self._held = 0
        """Bytes of all bodies that requests hold now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        try:
            host = self._check_host(scope, headers)
            page = self._check_origin(headers, host)
        except ApiError as error:
            scope["state"]["record"].failed(error.body)
            await answer(error)(scope, receive, send)
            return
        if page is not None:
            send = _readable_by(page, send)
        body = _Body(self, receive)
        try:
            if page is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _preflight(headers)(scope, receive, send)
                return
            scope["state"]["record"].client = self._check_key(scope, headers)
            self._check_form(scope, headers)
            await self._app(scope, body.receive, send)
        except ApiError as error:
            scope["state"]["record"].failed(error.body)
            await answer(error)(scope, receive, send)
        finally:
            self._held -= body.size

    # Who asks --------------------------------------------------------------------------------------------

    def _check_host(self, scope: Scope, headers: Headers) -> str:
        """Give the host that the client believes to talk to, in lower case and with its port."""
        if scope["http_version"] not in {"1.0", "1.1"}:
            message = "This server speaks HTTP/1.1."
            raise ApiError(505, message, code=ErrorCode.INVALID_VALUE, headers={"Connection": "close"})
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not (match := _HOST.fullmatch(hosts[0])):
            raise ApiError(400, "A request has exactly one Host header, a name or an address.", code=_HOST_CODE)
        if not scope["raw_path"].startswith(b"/"):
            message = "The request's target has to be a path: this server is no proxy."
            raise ApiError(400, message, code=ErrorCode.INVALID_VALUE)
        name = match["name"].lower()
        if self._access.is_loopback:
            if not _is_local(name):
                message = "This server answers to localhost only; the Host header named another machine."
                raise ApiError(403, message, code=_HOST_CODE)
        # With a key a page that rebound its name gets nowhere. Without one, it must not be a name of others'.
        elif not (self._access.keys.is_required or _is_local(name) or _is_address(name) or name in self._own_names):
            message = "Without an API key this server answers to its address and its own name only."
            raise ApiError(403, message, code=_HOST_CODE)
        return hosts[0].lower()

    def _check_origin(self, headers: Headers, host: str) -> str | None:
        """Give the origin of the page that asks, if it is a page: only browsers send one."""
        pages = headers.get("origin", [])
        for page in pages:
            if len(pages) > 1 or (page != f"http://{host}" and page not in self._access.origins):
                raise ApiError(
                    403,
                    "Pages of this origin may not use this server. Its operator can let them: "
                    "`lmstudio server start --cors ORIGIN`.",
                    code=ErrorCode.FORBIDDEN_ORIGIN,
                )
        return pages[0] if pages else None

    def _check_key(self, scope: Scope, headers: Headers) -> str:
        """Give the name of whoever asks: that of the key, or the address."""
        address = scope["client"][0] if scope.get("client") else ""
        if scope["path"] == "/health" or not self._access.keys.is_required:
            return address
        sent = [key.encode("latin-1") for key in headers.get("x-api-key", [])]
        for credentials in headers.get("authorization", []):
            scheme, _, key = credentials.partition(" ")
            if scheme.lower() == "bearer":
                sent.append(key.strip().encode("latin-1"))
        holder = self._access.keys.holder(sent[:4])
        if holder is None:
            raise ApiError(
                401,
                "This server needs an API key, and none that it knows was sent. Send it as `Authorization: Bearer "
                "KEY` or `x-api-key: KEY`; the server's operator makes one with `lmstudio key create NAME`.",
                code=ErrorCode.INVALID_API_KEY,
                kind="authentication_error",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return holder

    # What is sent ----------------------------------------------------------------------------------------

    def _check_form(self, scope: Scope, headers: Headers) -> None:
        if len(scope["headers"]) > self._limits.headers:
            message = f"A request has at most {self._limits.headers} header lines."
            raise ApiError(431, message, code=ErrorCode.INVALID_VALUE)
        # The connection bounds only what waits for more: a head that comes in one piece may be larger.
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) for name, value in scope["headers"]) > self._limits.head_size:
            message = f"The request's head is larger than {self._limits.head_size >> 10} KiB."
            raise ApiError(431, message, code=ErrorCode.INVALID_VALUE)
        # Proxies disagree about where such a request ends, so that what follows could be anybody's.
        if "content-length" in headers and "transfer-encoding" in headers:
            message = "A request has a Content-Length or a Transfer-Encoding, not both."
            raise ApiError(400, message, code=ErrorCode.INVALID_VALUE, headers={"Connection": "close"})
        if any("websocket" in value.lower() for value in headers.get("upgrade", [])):
            raise ApiError(400, "There are no WebSockets here.", code=ErrorCode.INVALID_VALUE)
        if any(value.strip().lower() not in {"", "identity"} for value in headers.get("content-encoding", [])):
            raise ApiError(415, "Compressed bodies are not accepted.", code=ErrorCode.INVALID_VALUE)
        kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
        # What a page can send without a preflight is never JSON by name. Other clients forget to name it.
        if scope["method"] == "POST" and "origin" in headers and kind != "application/json":
            message = "A page sends its request with the header `Content-Type: application/json`."
            raise ApiError(415, message, code=ErrorCode.INVALID_VALUE)
        length = headers.get("content-length", ["0"])[0]
        if length.isdigit() and int(length[:20]) > self._limits.body_size:
            raise _too_large(self._limits)

    def hold(self, size: int) -> None:
        """Count bytes of a body that are held. Raises `ApiError` 503 when all bodies together hold too many."""
        self._held += size
        if self._held > self._limits.bodies_size:
            raise ApiError(
                503,
                "The server holds as many large requests as it can. Send this one again later.",
                code=ErrorCode.QUEUE_FULL,
                kind="server_error",
                headers={"Retry-After": "5"},
            )

    @property
    def limits(self) -> Limits:
        return self._limits


class _Body:
    """A request's body as it comes: no larger and no slower than the limits."""

    def __init__(self, guard: Guard, receive: Receive) -> None:
        self._guard = guard
        self._receive = receive
        self._deadline = time.monotonic() + guard.limits.body
        self._is_whole = False
        self.size = 0

    async def receive(self) -> Message:
        if self._is_whole:
            # What comes now is the client's leaving, and that has no deadline.
            return await self._receive()
        limits = self._guard.limits
        patience = min(limits.body_silence, self._deadline - time.monotonic())
        try:
            async with asyncio.timeout(max(0, patience)):
                message = await self._receive()
        except TimeoutError as error:
            raise ApiError(
                408,
                f"The body came too slowly: at most {limits.body_silence:g} seconds may pass between two pieces, and "
                f"{limits.body:g} in all.",
                code=ErrorCode.TIMEOUT,
            ) from error
        self._is_whole = not message.get("more_body", False)
        size = len(message.get("body", b""))
        self.size += size
        if self.size > limits.body_size:
            self.size -= size
            raise _too_large(limits)
        self._guard.hold(size)
        return message


def _too_large(limits: Limits) -> ApiError:
    return ApiError(413, f"The body is larger than {limits.body_size >> 20} MiB.", code=ErrorCode.BODY_TOO_LARGE)


# Answers ------------------------------------------------------------------------------------------------


def answer(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """Write the response for an error."""
    content = msgspec.json.encode(ErrorBody(error.body))
    return Response(content, error.status, {**error.headers, **(headers or {})}, media_type="application/json")


def _preflight(headers: Headers) -> Response:
    """Allow what a browser asks beforehand; never a way into a private network, and never with cookies."""
    asked = ", ".join(headers.get("access-control-request-headers", []))
    allowed = asked if _HEADER_NAMES.fullmatch(asked) else "authorization, content-type, x-api-key"
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": allowed,
            "Access-Control-Max-Age": "600",
        },
    )


def _readable_by(page: str, send: Send) -> Send:
    """Let the page read the answer, errors too."""
    readable = [
        (b"access-control-allow-origin", page.encode("latin-1")),
        (b"access-control-expose-headers", b"x-request-id, retry-after"),
        (b"vary", b"Origin"),
    ]

    async def send_readable(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *readable]}
        await send(message)

    return send_readable


# Hosts --------------------------------------------------------------------------------------------------

_HOST_CODE = ErrorCode.FORBIDDEN_HOST


def _headers(scope: Scope) -> Headers:
    headers: Headers = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _is_local(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return _is_address(name) and ipaddress.ip_address(name.strip("[]")).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _own_names(host: str) -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({host.lower(), name, name.partition(".")[0], f"{name.partition('.')[0]}.local"})


# Bodies -------------------------------------------------------------------------------------------------


async def parse(request: Request, kind: type[T]) -> T:
    """Read the body of a request strictly as a struct. Raises `ApiError` 400 as `decode` does."""
    body = await request.body()
    # A large one takes a while, and others are waiting.
    return await asyncio.to_thread(decode, body, kind) if len(body) > LARGE else decode(body, kind)


def decode(body: bytes, kind: type[T]) -> T:
    """Parse a request body strictly into a struct.

    Raises:
        ApiError: 400 with the member's path in `param`.
    """
    try:
        require_strict(body)
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        param = path.rstrip("`").lstrip(".") or None
        # The parser does not say what it would have taken instead.
        if param and reason.startswith("Invalid ") and (values := values_at(kind, param)):
            reason += f"; expected {' or '.join(values)}"
        message = f"{param}: {reason}." if param else f"{reason}."
        raise ApiError(400, message, code=ErrorCode.INVALID_VALUE, param=param) from error
    except (NotStrict, msgspec.DecodeError, RecursionError) as error:
        raise ApiError(400, f"The body is not JSON: {error}.", code=ErrorCode.INVALID_JSON) from error
