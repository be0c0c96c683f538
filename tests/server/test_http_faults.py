"""What comes over a socket and is no good request: the server answers or closes, and serves everybody else."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from lmserver.app import build
from lmserver.connection import Limits
from lmserver.guard import Access
from lmserver.keys import Keyring
from lmserver.serve import Server
from lmserver.service import Service, ServiceSettings
from tests.conftest import Script
from tests.support.processes import BIN, RunningServer, clean_environment, gone, running_server

ASK = b'{"model":"scripted","messages":[{"role":"user","content":"go"}]}'


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


def post(body: bytes, *lines: str) -> bytes:
    return head("POST", "/v1/chat/completions", f"Content-Length: {len(body)}", *lines) + body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    script = Script(home / "scripted.json").write({"text": "Hello."})
    with running_server(clean_environment(home), home / "log", "--script", str(script)) as server:
        yield server
    log = server.log.read_text()
    assert "Traceback" not in log and "Fatal" not in log


def port_of(server: RunningServer) -> int:
    return urlsplit(server.url).port or 0


@contextlib.contextmanager
def connected(port: int, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(sent)
        yield client


def everything(client: socket.socket) -> bytes:
    """Read until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return received


def answers(port: int, within: float = 1.0) -> None:
    started = time.monotonic()
    assert httpx2.get(f"http://localhost:{port}/v1/models", timeout=10).status_code == 200
    assert time.monotonic() - started < within


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"GET /v1/models\r\n\r\n", {400}, id="HTTP/0.9"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}, id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), {400}, id="TLS"),
        pytest.param(bytes(range(128, 256)) * 40 + b"\r\n\r\n", {400}, id="random"),
        pytest.param(b"\r\n" * 5000, {400}, id="blank lines"),
        pytest.param(b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", {400}, id="no colon"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}, id="NUL in the target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", {400}, id="NUL in a header"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", {400}, id="no Host"),
        pytest.param(head("GET", "/v1/models", "Host: localhost"), {400}, id="two Hosts"),
        pytest.param(head("GET", "http://evil.example/v1/models", "Connection: close"), {400}, id="absolute form"),
        pytest.param(head("CONNECT", "evil.example:443", "Connection: close"), {400, 405}, id="CONNECT"),
        pytest.param(head("GET", "/" + "a" * 70_000, "Connection: close"), {431}, id="long target"),
        pytest.param(head("GET", "/", "Connection: close", "X: " + "a" * 300_000), {431}, id="long header"),
        pytest.param(
            head("GET", "/", *(f"X-{n}: 1" for n in range(200)), "Connection: close"), {431}, id="many headers"
        ),
        pytest.param(
            head("POST", "/v1/chat/completions", "Content-Length: 5", "Content-Length: 6") + b"{}",
            {400},
            id="two lengths",
        ),
        pytest.param(
            head("POST", "/v1/chat/completions", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            {400},
            id="two ways to tell the end",
        ),
        pytest.param(head("POST", "/v1/chat/completions", "Content-Length: -1"), {400}, id="negative length"),
        pytest.param(
            head("POST", "/v1/chat/completions", "Transfer-Encoding: chunked") + b"zz\r\n{}\r\n",
            {400},
            id="malformed chunk",
        ),
        pytest.param(
            head("POST", "/v1/chat/completions", "Transfer-Encoding: gzip") + b"xx", {400, 501}, id="other coding"
        ),
        pytest.param(post(b"x" * 10, "Content-Encoding: gzip", "Connection: close"), {415}, id="compressed"),
        pytest.param(
            head(
                "GET",
                "/v1/models",
                "Connection: Upgrade, close",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            ),
            {400},
            id="WebSocket",
        ),
    ],
)
def test_what_is_no_request_is_refused_and_closed(server: RunningServer, sent: bytes, expected: set[int]) -> None:
    with connected(port_of(server), sent) as client:
        received = everything(client)
    found = statuses(received)
    # A connection with unread bytes may be reset before its answer is read.
    assert not found or found[0] in expected
    assert b"Traceback" not in received
    if found:
        body = received.split(b"\r\n\r\n", 1)[1]
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    answers(port_of(server))


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/chat/completions", "/health", "/metrics", "/", "/v1/models/scripted"]
)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "PUT", "DELETE", "BREW", "X" * 100])
def test_every_method_has_its_status_on_every_route(server: RunningServer, method: str, path: str) -> None:
    with connected(port_of(server), head(method, path, "Connection: close")) as client:
        received = everything(client)
    (status,) = statuses(received)
    is_read = method == "HEAD" and path not in {"/v1/chat/completions", "/"}
    assert status == (200 if is_read else 404 if path == "/" else 405)
    if status == 405:
        assert b"\r\nallow: " in received.lower()
    if method == "HEAD":
        assert received.endswith(b"\r\n\r\n")


def test_pipelined_requests_are_answered_in_their_order(server: RunningServer) -> None:
    requests = head("GET", "/health") + post(ASK) + head("GET", "/nothing", "Connection: close")
    with connected(port_of(server), requests) as client:
        assert statuses(everything(client)) == [200, 200, 404]
    answers(port_of(server))


def test_a_client_that_closes_its_half_is_let_go(server: RunningServer) -> None:
    with connected(port_of(server), post(ASK)) as client:
        client.shutdown(socket.SHUT_WR)
        assert statuses(everything(client)) in ([], [200])
    with connected(port_of(server), head("GET", "/v1/models")[:-2]) as client:
        client.shutdown(socket.SHUT_WR)
        assert statuses(everything(client)) in ([], [400])
    answers(port_of(server))


def test_a_body_is_asked_for_only_when_it_may_come(server: RunningServer) -> None:
    with connected(port_of(server), post(b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 64")) as client:
        assert client.recv(25).startswith(b"HTTP/1.1 100")
        client.sendall(ASK)
        assert b" 200 " in client.recv(65536)
    large = post(b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 99999999999")
    with connected(port_of(server), large) as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(server: RunningServer) -> None:
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with connected(port_of(server), head("POST", "/v1/chat/completions", "Transfer-Encoding: chunked")) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(36):
                client.sendall(chunk)
        assert client.recv(65536).startswith(b"HTTP/1.1 413")
    answers(port_of(server))


# With limits that a test can wait for --------------------------------------------------------------------

LIMITS = Limits(
    connections=8,
    head=0.5,
    body=1.5,
    body_silence=0.6,
    body_size=100_000,
    bodies_size=150_000,
    rest=0.5,
    idle=1,
    stalled=1.0,
    grace=1,
)


@contextlib.contextmanager
def serving(tmp_path: Path, limits: Limits) -> Iterator[tuple[int, Server]]:
    """Serve in a thread; give the port and the server."""
    script = Script(tmp_path / "scripted.json").write({"text": "Hello."})
    flood = Script(tmp_path / "flood.json").write({"text": "word " * 40_000})
    settings = ServiceSettings(models=tmp_path, state=tmp_path, scripts={"scripted": script, "flood": flood})
    access = Access(keys=Keyring(tmp_path / "keys.json", None), is_loopback=True, limits=limits)
    server = Server(build(Service(settings), access), limits)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield listener.getsockname()[1], server
    finally:
        server.handle_exit(signal.SIGINT, None)
        thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[int]:
    with serving(tmp_path, LIMITS) as (port, _):
        yield port


def number(port: int, name: str) -> float:
    """Read one of the server's numbers."""
    text = httpx2.get(f"http://localhost:{port}/metrics").text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def test_many_silent_clients_block_nobody_and_are_closed_at_the_deadline(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(head=3)) as (port, _), contextlib.ExitStack() as stack:
        began = time.monotonic()
        silent = [stack.enter_context(connected(port)) for _ in range(250)]
        started = [stack.enter_context(connected(port, b"GET /v1/mod")) for _ in range(250)]
        dripping = stack.enter_context(connected(port, b"GET / HTTP/1.1\r\nX: "))
        answers(port)
        while time.monotonic() - began < 2.5:
            with contextlib.suppress(OSError):
                dripping.send(b"a")
            time.sleep(0.2)
        answers(port)
        assert not everything(silent[0]) and statuses(everything(started[0])) == [408]
        for client in (*silent, *started, dripping):
            everything(client)
        assert time.monotonic() - began < 6
        answers(port)


def test_a_late_head_is_refused_also_on_a_connection_that_was_used(strict: int) -> None:
    with connected(strict, head("GET", "/health") + b"GET /health") as client:
        assert statuses(everything(client)) == [200, 408]
    with connected(strict, head("GET", "/health")) as client:
        began = time.monotonic()
        assert statuses(everything(client)) == [200]
        assert 0.5 < time.monotonic() - began < 3
    answers(strict)


def test_a_slow_body_is_refused(strict: int) -> None:
    partial = post(ASK)[:-5]
    with connected(strict, partial) as client:
        began = time.monotonic()
        assert statuses(everything(client)) == [408]
        # Its deadline, and that for the rest of the body.
        assert 0.6 < time.monotonic() - began < 3
    with connected(strict, head("POST", "/v1/chat/completions", "Content-Length: 1000")) as client:
        client.settimeout(0.05)
        received, began = b"", time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 5:
                client.send(b" ")
                time.sleep(0.1)
                with contextlib.suppress(TimeoutError):
                    received += client.recv(65536)
        assert statuses(received) == [408]
        assert time.monotonic() - began < 4
    answers(strict)


def test_bodies_together_are_bounded_and_free_their_room(strict: int) -> None:
    half = b" " * 80_000
    first = head("POST", "/v1/chat/completions", f"Content-Length: {len(half) + len(ASK)}") + half
    with connected(strict, first) as client:
        time.sleep(0.2)
        with connected(strict, post(half + ASK, "Connection: close")) as other:
            received = everything(other)
            assert statuses(received) == [503] and b"retry-after" in received.lower()
        client.sendall(ASK)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    with connected(strict, post(half + ASK, "Connection: close")) as again:
        assert statuses(everything(again)) == [200]


def test_more_connections_than_there_may_be_are_told_so(strict: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(LIMITS.connections):
            stack.enter_context(connected(strict))
        time.sleep(0.1)
        with connected(strict, head("GET", "/health")) as client:
            assert statuses(everything(client)) == [503]
    time.sleep(0.3)
    answers(strict)


def test_a_client_that_stops_reading_has_its_reply_ended(strict: int) -> None:
    body = ASK.replace(b"scripted", b"flood").replace(b"{", b'{"stream":true,', 1)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", strict))
        client.sendall(post(body))
        began = time.monotonic()
        while not number(strict, 'lmstudio_requests_total{method="POST"') and time.monotonic() - began < 10:
            time.sleep(0.1)
        assert number(strict, 'lmstudio_requests_total{method="POST",route="/v1/chat/completions",status="499"}') == 1
        assert number(strict, "lmstudio_requests_running") == 1
        # Far from the eight megabytes of the whole stream.
        assert len(everything(client)) < 2_000_000
    answers(strict)


# The end ------------------------------------------------------------------------------------------------


def start(home: Path, script: Path, port: int) -> subprocess.Popen[bytes]:
    command = [str(BIN / "lmstudio"), "server", "start", "--port", str(port), "--script", str(script)]
    process = subprocess.Popen(command, env=clean_environment(home), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for _ in range(200):
        with contextlib.suppress(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{port}/health")
            break
        time.sleep(0.05)
    return process


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


STREAM = ASK.replace(b"{", b'{"stream":true,', 1)


def test_a_stop_lets_replies_end_and_takes_no_more(home: Path, script: Script, port: int) -> None:
    process = start(home, script.write({"text": "one two three four five", "delay": 0.3}), port)
    with connected(port, post(STREAM)) as client, connected(port) as idle:
        received = client.recv(65536)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert everything(idle) == b""
        received += everything(client)
    assert b"data: [DONE]" in received and b"five" in received
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 0 and b"Traceback" not in errors


def test_a_second_signal_cuts_a_reply_with_an_error(home: Path, script: Script, port: int) -> None:
    process = start(home, script.write({"text": "word " * 200, "delay": 0.3}), port)
    with connected(port, post(STREAM)) as client:
        received = client.recv(65536)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        received += everything(client)
        _, errors = process.communicate(timeout=5)
    assert time.monotonic() - began < 2
    assert process.returncode == 0 and b"Traceback" not in errors
    assert is_cut(received)


def test_a_reply_that_does_not_end_is_cut_at_the_deadline(tmp_path: Path) -> None:
    endless = Script(tmp_path / "scripted.json")
    with serving(tmp_path, LIMITS) as (port, server):
        endless.write({"text": "word " * 200, "delay": 0.3})
        with connected(port, post(STREAM)) as client:
            received = client.recv(65536)
            began = time.monotonic()
            server.handle_exit(signal.SIGTERM, None)
            received += everything(client)
            assert 0.9 < time.monotonic() - began < 3
    assert is_cut(received)


def is_cut(received: bytes) -> bool:
    last = re.findall(rb"data: (.*)\n", received)[-1]
    return set(json.loads(last)["error"]) == {"message", "type", "param", "code"}


def test_a_killed_server_can_be_started_again_at_once(home: Path, script: Script, port: int) -> None:
    path = script.write({"text": "word " * 200, "delay": 0.3})
    process = start(home, path, port)
    with connected(port, post(STREAM)) as client:
        client.recv(65536)
        process.kill()
        process.communicate(timeout=5)
        second = start(home, path, port)
        answers(port)
    second.send_signal(signal.SIGTERM)
    _, errors = second.communicate(timeout=5)
    assert second.returncode == 0 and b"Traceback" not in errors
    assert gone([process.pid, second.pid])
