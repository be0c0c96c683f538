"""A server that fails on purpose: it answers every connection with the bytes it was given."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def response(status: int, body: bytes, kind: str = "application/json", headers: str = "") -> bytes:
    """Write one whole HTTP response."""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{headers}connection: close"
    return head.encode() + b"\r\n\r\n" + body


def models(*names: str) -> bytes:
    """Write a list of models."""
    entries = ",".join(f'{{"id":"{name}","object":"model"}}' for name in names)
    return response(200, f'{{"object":"list","data":[{entries}]}}'.encode())


Answers = bytes | Callable[[bytes], bytes]
"""Bytes, or what makes them from the bytes of a request."""


@dataclass
class FaultServer:
    """The address of a fault server, and what it was sent."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def fault_server(chat: Answers, *, listing: Answers | None = None, hang: float = 0.0) -> Iterator[FaultServer]:
    """Answer `GET …/models` with `listing` and everything else with `chat`, then stay silent for `hang` seconds."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    server = FaultServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection, contextlib.suppress(OSError):
                request = _read(connection)
                server.requests.append(request)
                is_listing = request.startswith(b"GET") and b"/models" in request.split(b"\r\n")[0]
                answer = (listing or models("m")) if is_listing else chat
                connection.sendall(answer if isinstance(answer, bytes) else answer(request))
                end = time.monotonic() + (0 if is_listing else hang)
                while time.monotonic() < end and not over.is_set():
                    time.sleep(0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        thread.join()
        listener.close()


def _read(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
