"""A model hub on loopback whose faults a test chooses: real sockets, and the headers that the hub's client reads."""

import hashlib
import http.server
import json
import re
import threading
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves files of one repository, by way of a second address as real hubs do."""

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        self.repo = repo
        self.files = files
        self.digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        """What the hub says the files' digests are."""
        self.cuts: list[int] = []
        """How many bytes of each coming answer are sent before the connection breaks."""
        self.refusal: tuple[int, str] | None = None
        """A status and an error code with which everything is answered."""
        self.content_refusal = 0
        """A status with which files are answered."""
        self.ranges: list[str | None] = []
        """The Range header of each request for content."""
        self.tokens: dict[str, set[str | None]] = {"hub": set(), "store": set()}
        """The Authorization headers that each of the two addresses saw."""
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}) for server in self._servers
        ]

    def __enter__(self) -> "Hub":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def store(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        is_store = request.server is self._servers[1]
        self.tokens["store" if is_store else "hub"].add(request.headers.get("Authorization"))
        if is_store:
            self._send_content(request, path.removeprefix("/"))
        elif self.refusal:
            self._send(request, self.refusal[0], b"{}", {"X-Error-Code": self.refusal[1]})
        elif path.startswith(f"/api/models/{self.repo}"):
            self._send(request, 200, json.dumps(self._description()).encode())
        elif found := re.fullmatch(rf"/{self.repo}/resolve/[^/]+/(.+)", path):
            headers = {"Location": f"{self.store}/{found[1]}", "X-Repo-Commit": COMMIT}
            self._send(request, 302, b"", headers)
        else:
            self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _description(self) -> dict[str, object]:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "lfs": {"size": len(content), "sha256": self.digests[name], "pointerSize": 134},
            }
            for name, content in self.files.items()
        ]
        readme = {"rfilename": "README.md", "size": 5, "blobId": "x"}
        return {"id": self.repo, "modelId": self.repo, "sha": COMMIT, "siblings": [readme, *siblings]}

    def _send_content(self, request: http.server.BaseHTTPRequestHandler, name: str) -> None:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if self.content_refusal:
            self._send(request, self.content_refusal, b"")
            return
        content = self.files[name]
        first = int(re.sub(r"\D", "", asked)) if asked else 0
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if asked:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(request, 206 if asked else 200, content[first:], headers)

    def _send(
        self,
        request: http.server.BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            is_content = request.server is self._servers[1] and body
            request.wfile.write(body[: self.cuts.pop(0)] if is_content and self.cuts else body)
        request.close_connection = True
