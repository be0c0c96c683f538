"""Who may use the server: Host, Origin and CORS, the machine it listens on, and what its bodies may be."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lmserver.errors import ModelError
from lmserver.guard import origin
from tests.conftest import Script
from tests.support.processes import BIN, RunningServer, clean_environment, run, running_server

PAGE = "https://app.example"
ASK: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "go"}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    script = Script(home / "scripted.json").write({"text": "Hello."})
    arguments = ("--script", str(script), "--cors", PAGE, "--cors", "http://LOCALHOST:3000/")
    with running_server(clean_environment(home), home / "log", *arguments) as server:
        yield server


def ask(server: RunningServer, content: bytes, headers: dict[str, str] | None = None) -> httpx2.Response:
    answer = httpx2.post(f"{server.url}/chat/completions", content=content, headers=headers or {}, timeout=10)
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert "Traceback" not in answer.text
    started = time.monotonic()
    assert httpx2.get(f"{server.url}/models").status_code == 200
    assert time.monotonic() - started < 1
    return answer


# Pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [PAGE, "http://localhost:3000"])
def test_a_page_of_an_allowed_origin_reads_answers_and_errors(server: RunningServer, page: str) -> None:
    for path, status in (("/v1/models", 200), ("/v1/nothing", 404)):
        answer = httpx2.get(f"{server.root}{path}", headers={"Origin": page})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == page
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers


def test_a_preflight_of_an_allowed_origin_is_granted_and_never_a_private_network(server: RunningServer) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-stainless-os",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = httpx2.options(f"{server.url}/chat/completions", headers=asked)
    assert answer.status_code == 204 and answer.content == b""
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
    assert not [name for name in answer.headers if "private-network" in name or "credentials" in name]


@pytest.mark.parametrize("page", ["http://evil.example", "null", "http://localhost:5173", f"{PAGE}.evil.example", ""])
def test_other_pages_are_refused_on_every_route(server: RunningServer, page: str) -> None:
    for method, path in (
        ("GET", "/v1/models"),
        ("OPTIONS", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/metrics"),
        ("GET", "/health"),
        ("GET", "/nothing"),
    ):
        asked = {"Origin": page, "Access-Control-Request-Method": "POST", "Content-Type": "text/plain"}
        answer = httpx2.request(method, f"{server.root}{path}", headers=asked)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["error"]["code"] == "forbidden_origin"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_page_names_its_body_json_and_other_clients_need_not(server: RunningServer) -> None:
    content = b'{"model":"scripted","messages":[{"role":"user","content":"go"}]}'
    plain = {"Content-Type": "text/plain"}
    assert ask(server, content, {"Origin": PAGE, **plain}).status_code == 415
    assert ask(server, content, {"Origin": PAGE, "Content-Type": "application/json"}).status_code == 200
    for kind in ({}, plain, {"Content-Type": "application/x-www-form-urlencoded"}):
        assert ask(server, content, kind).status_code == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Example.org", "https://example.org"),
        ("https://example.org:443/", "https://example.org"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("vscode-webview://abc", "vscode-webview://abc"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(text: str, expected: str) -> None:
    assert origin(text) == expected


@pytest.mark.parametrize(
    "text", ["*", "null", "example.org", "https://a/b", "https://a@b", "file:///x", "http://[", ""]
)
def test_what_is_no_origin_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ModelError, match=r"--cors https://example\.org"):
        origin(text)


# Machines -----------------------------------------------------------------------------------------------


def host_answers(server: RunningServer, *hosts: str) -> list[int]:
    return [httpx2.get(f"{server.url}/models", headers={"Host": host}).status_code for host in hosts]


def test_without_a_key_a_listener_for_others_warns_and_answers_to_no_rebound_name(home: Path) -> None:
    environment = clean_environment(home)
    with running_server(environment, home / "log", "--host", "0.0.0.0", "--insecure-no-key") as server:
        hosts = ("192.0.2.7:1234", "localhost", socket.gethostname(), "evil.example")
        assert host_answers(server, *hosts) == [200, 200, 200, 403]
    assert "WARNING: no API key" in (home / "log").read_text()


def test_others_are_let_in_with_a_key_whatever_the_host_is_called(home: Path) -> None:
    environment = clean_environment(home)
    refused = run(["lmstudio", "server", "start", "--port", "0", "--host", "0.0.0.0"], environment)
    assert refused.returncode == 1 and "lmstudio key create" in refused.stderr
    key = run(["lmstudio", "key", "create", "one"], environment).stdout.strip()
    with running_server(environment, home / "log", "--host", "0.0.0.0") as server:
        assert host_answers(server, "models.example", "localhost") == [401, 401]
        headers = {"Host": "models.example", "Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{server.url}/models", headers=headers).status_code == 200
        # The last key goes, and the door does not open.
        assert run(["lmstudio", "key", "revoke", "one"], environment).returncode == 0
        time.sleep(0.6)
        assert httpx2.get(f"{server.url}/models", headers=headers).status_code == 401


def test_a_wrong_origin_stops_the_start(home: Path) -> None:
    ended = run(["lmstudio", "server", "start", "--port", "0", "--cors", "*"], clean_environment(home))
    assert ended.returncode == 1 and "every page on the web" in ended.stderr and "Traceback" not in ended.stderr


# Bodies -------------------------------------------------------------------------------------------------

MESSAGES = b'"messages":[{"role":"user","content":"go"}]'


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param(b"", "JSON", id="empty"),
        pytest.param(b"[]", "object", id="list"),
        pytest.param(b'"x"', "object", id="string"),
        pytest.param(b"{" + MESSAGES + b"} x", "Extra", id="trailing"),
        pytest.param(b"\xef\xbb\xbf{" + MESSAGES + b"}", "byte order mark", id="bom"),
        pytest.param(("{" + MESSAGES.decode() + "}").encode("utf-16"), "UTF-8", id="utf-16"),
        pytest.param(b'{"x":"\xff",' + MESSAGES + b"}", "UTF-8", id="not utf-8"),
        pytest.param(b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"," + MESSAGES + b"}", "deep", id="deep list"),
        pytest.param(b'{"x":' * 200_000 + b"1" + b"}" * 200_000, "deep", id="deep object"),
        pytest.param(b'{"seed":' + b"9" * 100_000 + b"," + MESSAGES + b"}", "too long", id="long number"),
        pytest.param(b'{"x":1e999,' + MESSAGES + b"}", "too large", id="large number"),
        pytest.param(b'{"temperature":NaN,' + MESSAGES + b"}", "NaN", id="NaN"),
        pytest.param(b'{"top_p":-Infinity,' + MESSAGES + b"}", "Infinity", id="infinity"),
        pytest.param(b'{"seed":1,"seed":2,' + MESSAGES + b"}", "'seed' comes twice", id="twice"),
        pytest.param(
            b"{" + MESSAGES + b"," + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}", "values", id="members"
        ),
        pytest.param(b'{"messages":[{"role":"user","content":"\\ud800"}]}', "JSON", id="half a surrogate pair"),
        pytest.param(b'{"messages":[{"role":"user","content":"\\udc00x"}]}', "JSON", id="other half"),
    ],
)
def test_a_body_is_strict_json(server: RunningServer, content: bytes, word: str) -> None:
    answer = ask(server, content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in {"invalid_json", "invalid_value"}
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "member",
    """model messages stream stream_options temperature top_p top_k max_tokens max_completion_tokens stop seed n
    tools tool_choice response_format logit_bias presence_penalty frequency_penalty parallel_tool_calls""".split(),
)
def test_a_member_of_a_wrong_type_is_named(server: RunningServer, member: str) -> None:
    answer = httpx2.post(f"{server.url}/chat/completions", json=ASK | {member: [[]]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(member)


def test_a_compressed_body_is_refused(server: RunningServer) -> None:
    assert ask(server, b"\x1f\x8b" + b"x" * 100, {"Content-Encoding": "gzip"}).status_code == 415


def test_the_wire_says_who_asked_and_not_a_header(server: RunningServer) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Forwarded-Proto": "https"}
    assert httpx2.get(f"{server.url}/models", headers=headers).status_code == 200
    log = server.log.with_name(".local") / "state" / "lmstudio" / "log" / "server.jsonl"
    assert "203.0.113.9" not in log.read_text()


def test_the_help_of_key_is_there_without_the_server_extra(home: Path) -> None:
    command = [str(BIN / "python"), "-X", "importtime", "-m", "lmserver", "key", "--help"]
    shown = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True, check=True)
    assert "revoke" in shown.stdout
    assert "starlette" not in shown.stderr
