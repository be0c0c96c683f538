"""One dialect a file; each lists its endpoints."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response


class Endpoint(msgspec.Struct, frozen=True):
    """A route: what the application serves, the start-up banner shows and `/openapi.json` describes."""

    method: str
    path: str
    """As Starlette writes it: `/v1/models/{name:path}`."""
    purpose: str
    handler: Callable[[Request], Awaitable[Response]]
    body: type[msgspec.Struct] | None = None
    """What the request holds as JSON."""
    reply: type[msgspec.Struct] | None = None
    """What an answer that is not streamed holds as JSON."""
    is_listed: bool = True
    """Whether the banner shows it."""
