"""One client's connection: deadlines for what the client owes, and refusals of what is not HTTP."""

import asyncio
import socket
import sys
from http import HTTPStatus
from typing import Literal

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from lmwire.errors import ErrorBody, ErrorCode, ErrorObject


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may make the server wait for or hold; times in seconds, sizes in bytes."""

    connections: int = 1000
    """Connections at once; more are told to come back."""
    head: float = 10.0
    """For a whole request head, from the connection or the end of the last answer on."""
    body: float = 60.0
    """For a whole body."""
    body_silence: float = 10.0
    """Between two pieces of a body."""
    body_size: int = 32 << 20
    """Of one body: far more than any context holds."""
    bodies_size: int = 256 << 20
    """Of all bodies that are held at once."""
    headers: int = 100
    """Header lines of a request."""
    head_size: int = 64 << 10
    rest: float = 5.0
    """For the rest of a body after it was answered, as a refusal is."""
    idle: int = 30
    """Between two requests."""
    stalled: float = 60.0
    """For a client to read what is buffered for it; then its request ends."""
    grace: int = 10
    """For requests to end after SIGTERM; a second signal does not wait for them."""
    buffered: int = 64 << 10
    """What is buffered for a client that does not read, besides what the system buffers."""


_Debt = Literal["head", "rest"] | None


class Connection(H11Protocol):
    """The HTTP protocol of uvicorn, with an end to every wait for the client."""

    limits = Limits()

    _has_asked = False
    _debt: _Debt = None
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self.limits.buffered)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # The system's own buffer grows to megabytes: hours of a slow model's text for nobody.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * self.limits.buffered)
        if len(self.connections) > self.limits.connections:
            self._refuse(
                503, "The server has as many connections as it takes. Try again later.", ErrorCode.QUEUE_FULL
            )
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._has_asked = True
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()
        self._timer = self._stalled = None
        super().connection_lost(exc)

    # What the client owes us -----------------------------------------------------------------------------

    def _watch(self) -> None:
        """Start the clock when the client begins to owe something, and stop it when that has come."""
        debt = self._owed()
        if debt == self._debt:
            return
        self._debt = debt
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        match debt:
            case "head":
                self._timer = self.loop.call_later(self.limits.head, self._head_is_late)
            case "rest":
                self._timer = self.loop.call_later(self.limits.rest, self.transport.abort)
            case None:
                pass

    def _owed(self) -> _Debt:
        if self.transport.is_closing():
            return None
        match self.conn.their_state:
            case h11.IDLE if not self._has_asked or self.conn.trailing_data[0]:
                return "head"
            case h11.SEND_BODY if self.conn.our_state in (h11.DONE, h11.MUST_CLOSE):
                return "rest"
            case _:
                return None

    def _head_is_late(self) -> None:
        if self.conn.trailing_data[0]:
            seconds = f"{self.limits.head:g} seconds"
            self._refuse(408, f"The request's head did not come within {seconds}.", ErrorCode.TIMEOUT)
        else:
            self.transport.abort()

    # What we owe the client ------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        # Losing the connection tells the request that its client left, and that ends the work for it.
        self._stalled = self.loop.call_later(self.limits.stalled, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # What is not HTTP ------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431:
            size = f"{self.limits.head_size >> 10} KiB"
            self._refuse(status, f"The request's head is larger than {size}.", ErrorCode.INVALID_VALUE)
        else:
            self._refuse(status, "This is no HTTP/1.1 request that can be understood.", ErrorCode.INVALID_VALUE)

    def _refuse(self, status: int, message: str, code: ErrorCode) -> None:
        """Answer outside of any request, and close."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = msgspec.json.encode(ErrorBody(ErrorObject(message, code=code)))
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def limited(limits: Limits) -> type[Connection]:
    """Make the class of connections with these limits."""
    return type("Limited", (Connection,), {"limits": limits})
