"""A relay before a real server that keeps the bodies of what is posted through it."""

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Relay:
    """Where it is, and what passed."""

    url: str
    bodies: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Pass everything on to the server at `target`."""
    upstream = urlsplit(target)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if body:
                passing.bodies.append(body)
            there = http.client.HTTPConnection(str(upstream.hostname), upstream.port or 80, timeout=60)
            headers = {"content-type": self.headers.get("content-type", "")} if body else {}
            there.request(self.command, self.path, body or None, headers)
            answer = there.getresponse()
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("connection", "close")
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(piece)
            there.close()
            self.close_connection = True

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    passing = Relay(f"http://127.0.0.1:{server.server_port}{upstream.path}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield passing
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
