"""What the server remembers of each request: who asked what, and what it cost."""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lmserver.errors import ApiError
from lmserver.guard import answer
from lmserver.logfile import note
from lmserver.metrics import Metrics
from lmwire import sse
from lmwire.chat import Usage
from lmwire.errors import ErrorBody, ErrorCode, ErrorObject

log = logging.getLogger("lmstudio")

UNKNOWN = "other"
"""The route of a request for a path that is not served."""

CLIENT_LEFT = 499
"""The status in the log, as others' logs have it, of a request whose client left before its end."""


class Record(msgspec.Struct):
    """One request, as the log tells it. Never a key, and no text of a prompt."""

    id: str = ""
    method: str = ""
    path: str = ""
    """As the client wrote it, without the query; cut."""
    route: str = UNKNOWN
    """The path that is served, with its parameters' names."""
    client: str = ""
    """Who asks: the name of the key, or the address."""
    model: str = ""
    status: int = 0
    error: str = ""
    """What went wrong, as the answer's error code and the member at fault tell it; empty if nothing did."""
    started: float = 0.0
    """On the monotonic clock, in seconds."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    time_to_first_token: float | None = None
    """Seconds."""
    pieces: int = 0
    """Pieces of replies that have not ended: tokens, or nearly."""
    generated: float = 0.0
    """Seconds from the first token to the last, and before it where all came at once."""

    def failed(self, error: ErrorObject) -> None:
        """Note why the request failed; not the message, which may quote what the client sent."""
        self.error = f"{error.code} ({error.param})" if error.param else str(error.code)

    def first_piece(self) -> None:
        """Note a piece of the reply, and when the first was there."""
        self.pieces += 1
        if self.time_to_first_token is None:
            self.time_to_first_token = self.seconds

    def spent(self, usage: Usage, *, is_first: bool) -> None:
        """Add what one reply cost; a prompt counts with the first of its replies alone."""
        self.pieces = 0
        self.completion_tokens += usage.completion_tokens
        if is_first:
            self.prompt_tokens += usage.prompt_tokens
            if usage.prompt_tokens_details:
                self.cached_tokens += usage.prompt_tokens_details.cached_tokens
        self._generated()

    def ended(self) -> None:
        """Count what a reply cost that was cut: its usage never came."""
        if self.pieces:
            self.completion_tokens += self.pieces
            self._generated()

    def _generated(self) -> None:
        since_first = self.seconds - (self.time_to_first_token or 0.0)
        self.generated = since_first if since_first > 0.001 else self.seconds

    @property
    def seconds(self) -> float:
        """Seconds that the request has taken up to now."""
        return time.monotonic() - self.started

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of the reply for each second in which it was generated."""
        return self.completion_tokens / self.generated if self.completion_tokens and self.generated else None


def record_of(request: Request) -> Record:
    """Give the record of a request, which the outermost layer made."""
    return request.scope.setdefault("state", {}).setdefault("record", Record(started=time.monotonic()))


def note_prompt(record: Record, prompt: str | list[int]) -> None:
    """Write the text that a model reads, for an operator who asked for that."""
    members = {"id": record.id, "model": record.model, "prompt": prompt}
    note("prompt", f"the prompt of {record.id}", members, level=logging.DEBUG)


class Journal:
    """Wraps everything: gives each request its record, and writes it down when the request has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Mapping[Any, str]) -> None:
        """Wrap `app`, whose endpoints serve the paths that `routes` tells."""
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        record = Record(
            id=f"req_{secrets.token_hex(12)}",
            method=scope["method"][:20],
            path=scope["path"][:200],
            client=scope["client"][0] if scope.get("client") else "",
            started=time.monotonic(),
        )
        scope.setdefault("state", {})["record"] = record
        exchange = _Exchange(record, scope, receive, send)
        self._metrics.begun()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            await exchange.cut(503, "The server stops before the reply is finished.", ErrorCode.ENGINE_FAILED)
            raise
        except Exception:
            log.exception("request %s failed", record.id)
            await exchange.cut(500, "The server failed on this request; its log says why.", ErrorCode.INTERNAL)
        finally:
            record.route = self._routes.get(scope.get("endpoint"), UNKNOWN)
            record.status = exchange.status
            record.ended()
            self._metrics.ended(record)
            _write(record)


class _Exchange:
    """A request and its answer, watched as they pass."""

    def __init__(self, record: Record, scope: Scope, receive: Receive, send: Send) -> None:
        self._record = record
        self._scope = scope
        self._receive = receive
        self._send = send
        self._answered = 0
        self._is_stream = False
        self._is_complete = False
        self._has_left = False

    @property
    def status(self) -> int:
        if self._has_left and not self._is_complete:
            return CLIENT_LEFT
        return self._answered or 500

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._is_complete:
            self._has_left = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self._record.id.encode())]
            self._is_stream = any(
                name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
            )
            message = {**message, "headers": headers}
        elif not message.get("more_body", False):
            self._is_complete = True
        await self._send(message)

    async def cut(self, status: int, message: str, code: ErrorCode) -> None:
        """End a stream with the error that cuts it, or answer with it, if there is somebody who reads it."""
        if self._is_complete or self._has_left or (self._answered and not self._is_stream):
            return
        error = ApiError(status, message, code=code, kind="server_error")
        self._record.failed(error.body)
        try:
            async with asyncio.timeout(1):
                if self._answered:
                    event = sse.event(ErrorBody(error.body))
                    await self.send({"type": "http.response.body", "body": event, "more_body": False})
                else:
                    await answer(error)(self._scope, self._receive, self.send)
        except (TimeoutError, OSError):
            pass


def _write(record: Record) -> None:
    members: dict[str, Any] = {
        "id": record.id,
        "method": record.method,
        "route": record.route,
        "path": record.path,
        "model": record.model or None,
        "client": record.client,
        "status": record.status,
        "error": record.error or None,
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "completion_tokens": record.completion_tokens,
        "time_to_first_token": _rounded(record.time_to_first_token),
        "tokens_per_second": _rounded(record.tokens_per_second),
        "seconds": _rounded(record.seconds),
    }
    note("request", _line(record), members)


def _line(record: Record) -> str:
    shown = record.route if record.route != UNKNOWN else ascii(record.path)[1:-1]
    words = [ascii(record.method)[1:-1], shown, str(record.status), f"{record.seconds:.2f} s"]
    if record.error:
        words.append(ascii(record.error)[1:-1])
    if record.model:
        words.append(record.model)
    if record.prompt_tokens or record.completion_tokens:
        words.append(f"{record.prompt_tokens} + {record.completion_tokens} tokens")
    if record.tokens_per_second:
        words.append(f"{record.tokens_per_second:.1f} tokens/s")
    return "  ".join(words)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
