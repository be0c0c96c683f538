"""What commands reach when `[sandbox] network` lists hosts, or has them asked about."""

import asyncio
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.agent.desk import Desk
from tests.agent.support import bench, call, results, says
from tests.agent.test_interactive import terminal
from tests.support.processes import clean_environment, run
from vtcode.sandbox.proxy import Door

GET = (
    "python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())' {} 2>&1"
    " | tail -1"
)
"""A request by a program that heeds HTTP_PROXY."""


class Site:
    """A web server of this machine."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.paths.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f"hello from {self.path}".encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def site() -> Iterator[Site]:
    one = Site()
    thread = threading.Thread(target=one.server.serve_forever, daemon=True)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


def boxed(home: Path, network: str, line: str) -> subprocess.CompletedProcess[str]:
    (home / "work").mkdir(exist_ok=True)
    arguments = ["vtcode", "-c", f"sandbox.network={network}", "sandbox", "run", "--timeout", "20", "--", line]
    return run(arguments, clean_environment(home), cwd=home / "work")


def test_a_listed_host_is_reached_and_no_other(home: Path, site: Site) -> None:
    listed = f'["127.0.0.1:{site.port}", "*.example.com"]'
    assert "hello from /a" in boxed(home, listed, GET.format(f"http://127.0.0.1:{site.port}/a")).stdout
    assert "403" in boxed(home, listed, GET.format(f"http://localhost:{site.port}/b")).stdout
    assert "403" in boxed(home, '["localhost"]', GET.format(f"http://localhost:{site.port}/c")).stdout
    assert (
        "hello from /d"
        in boxed(home, f'["localhost:{site.port}"]', GET.format(f"http://localhost:{site.port}/d")).stdout
    )
    assert site.paths == ["/a", "/d"]


def test_there_is_no_way_around_the_proxy(home: Path, site: Site) -> None:
    direct = f"exec 3<>/dev/tcp/127.0.0.1/{site.port} && echo REACHED; getent hosts localhost.example; echo over"
    ended = boxed(home, '["pypi.org"]', direct)
    assert "REACHED" not in ended.stdout and "over" in ended.stdout and site.paths == []


def test_one_request_does_not_open_the_way_for_the_next(home: Path, site: Site) -> None:
    host = f"127.0.0.1:{site.port}"
    two = (
        f"exec 3<>/dev/tcp/127.0.0.1/3128; printf 'GET http://{host}/one HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n"
        f"GET http://other.example/two HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n' >&3; cat <&3"
    )
    assert "hello from /one" in boxed(home, f'["{host}"]', two).stdout
    assert site.paths == ["/one"]


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"CONNECT\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET ftp://a/ HTTP/1.1\r\n\r\n",
        b"\xff\xfe" * 40_000,
        b"CONNECT a:99999 HTTP/1.1\r\n\r\n",
        b"CONNECT [::1 HTTP/1.1\r\n\r\n",
        b"CONNECT u@h:1 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_ends_the_connection_and_nothing_else(head: bytes) -> None:
    async def attempt() -> bytes:
        door = Door(("a.example",))
        path = await door.open()
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(head)
            answer = await asyncio.wait_for(reader.read(), 15)
            writer.close()
            again, other = await asyncio.open_unix_connection(path)
            other.write(b"CONNECT b.example:443 HTTP/1.1\r\n\r\n")
            assert (await again.readline()).startswith(b"HTTP/1.1 403")
            other.close()
            return answer
        finally:
            await door.close()
            assert not path.exists()

    assert b"200" not in asyncio.run(attempt())


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        ("*.localhost", "a.localhost:80"),
        ("127.0.0.1", "127.0.0.1:8080"),
        ("127.0.0.1", "127.1:80"),
        ("example.com", "example.com.evil.example:443"),
        ("*.example.com", "evilexample.com:443"),
        ("example.com", "example.com:22"),
    ],
)
def test_what_only_looks_like_a_listed_host_is_refused(rule: str, address: str) -> None:
    async def attempt() -> bytes:
        door = Door((rule,))
        try:
            reader, writer = await asyncio.open_unix_connection(await door.open())
            writer.write(f"CONNECT {address} HTTP/1.1\r\n\r\n".encode())
            line = await asyncio.wait_for(reader.readline(), 15)
            writer.close()
            return line
        finally:
            await door.close()

    assert asyncio.run(attempt()).startswith(b"HTTP/1.1 403")


def test_without_a_person_a_host_that_would_be_asked_about_is_refused(home: Path, site: Site) -> None:
    look = call("run_terminal_cmd", command=GET.format(f"http://127.0.0.1:{site.port}/a"))
    with bench(home, look, says("ok")) as b:
        events, _ = b.events("go", "--full-auto", "-c", "sandbox.network=ask")
        assert "403" in results(events)[0]["text"] and site.paths == []


def test_a_person_lets_a_host_be_reached_for_the_run(home: Path, site: Site) -> None:
    url = f"http://127.0.0.1:{site.port}/"
    looks = [call("run_terminal_cmd", command=GET.format(url + name)) for name in "ab"]
    with (
        bench(home, *looks, says("Seen.")) as b,
        terminal(b, "exec", "--full-auto", "-c", "sandbox.network=ask", "go") as t,
    ):
        t.expect(f"A command wants to reach 127.0.0.1:{site.port}")
        t.expect("Go on")
        t.sendline("y")
        t.expect("Seen.")
        t.expect(pexpect.EOF)
        logged = run(["vtcode", "approvals", "log"], b.environment, cwd=b.workspace).stdout
        told = [line.split("  ")[1:3] for line in logged.splitlines() if "run_terminal_cmd" not in line]
        assert told == [["asked", "question"], ["approved (once)", "question"], *[["allowed", "network"]] * 2]
    assert site.paths == ["/a", "/b"]


def test_a_workspace_cannot_list_hosts_without_trust(tmp_path: Path) -> None:
    desk = Desk(tmp_path.resolve())
    desk.workspace('[sandbox]\nnetwork = ["evil.example"]\n')
    assert desk.load().sandbox.network == "off" and "gives commands the network" in desk.load().warnings[0]
    desk.trust()
    assert desk.load().sandbox.network == ("evil.example",)


@pytest.mark.parametrize("value", ['"yes"', '["a b"]', '["http://a"]', '["*"]', '["a:b"]', "[1]", "true"])
def test_what_is_no_host_is_an_error(tmp_path: Path, value: str) -> None:
    desk = Desk(tmp_path.resolve())
    desk.user(f"[sandbox]\nnetwork = {value}\n")
    assert "list of hosts" in desk.error()


def test_a_command_with_a_proxy_finds_signals_as_a_shell_does(home: Path) -> None:
    work = home / "work"
    work.mkdir()
    (home / ".config" / "vtcode").mkdir(parents=True)
    (home / ".config" / "vtcode" / "vtcode.toml").write_text('[sandbox]\nnetwork = ["a.example"]\n')
    line = "echo $http_proxy; grep SigIgn /proc/self/status; yes | head -1"
    ended = run(["vtcode", "sandbox", "run", "--", line], clean_environment(home), cwd=work)
    assert ended.stdout.splitlines() == ["http://127.0.0.1:3128", "SigIgn:\t" + "0" * 16, "y"]
    assert ended.stderr == ""
