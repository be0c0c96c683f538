"""Servers that fail: each of the guide's troubleshooting cases, and the ones it does not name."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.faults import STREAM_HEAD, fault_server, models, response
from tests.support.processes import clean_environment, run


def ask(home: Path, url: str, **extra: str) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    ended = run(["vtcode", "ask", "hi"], clean_environment(home, {"LMSTUDIO_BASE_URL": url, **extra}), cwd=home)
    assert "Traceback" not in ended.stderr
    return ended, time.monotonic() - started


def chunk(**members: object) -> bytes:
    return b"data: " + json.dumps({"object": "chat.completion.chunk", **members}).encode() + b"\n\n"


def text(content: str, finish: str | None = None) -> bytes:
    return chunk(choices=[{"index": 0, "delta": {"content": content}, "finish_reason": finish}])


def test_connection_refused_names_the_url_and_how_to_start_the_server(home: Path) -> None:
    ended, seconds = ask(home, "http://127.0.0.1:9/v1")
    assert ended.returncode == 1
    for word in ("http://127.0.0.1:9/v1", "connection refused", "lmstudio server start", "LMSTUDIO_BASE_URL"):
        assert word in ended.stderr
    assert seconds < 5


def test_model_not_found_names_the_models_there_are(home: Path) -> None:
    with fault_server(b"", listing=models("qwen", "gemma")) as server:
        ended = run(
            ["vtcode", "ask", "--model", "llama", "hi"],
            clean_environment(home, {"LMSTUDIO_BASE_URL": server.url}),
            cwd=home,
        )
    assert ended.returncode == 1
    assert all(word in ended.stderr for word in ("llama", "qwen", "gemma", "--model"))


@pytest.mark.parametrize("status", [400, 404])
def test_a_model_that_is_listed_and_refused_is_refused_in_the_servers_words(home: Path, status: int) -> None:
    refusal = response(status, b'{"error":{"message":"m is being removed","code":"model_not_found"}}')
    with fault_server(refusal, listing=models("m")) as server:
        ended, _ = ask(home, server.url)
    assert ended.returncode == 1 and "m is being removed" in ended.stderr and "/v1." not in ended.stderr


@pytest.mark.parametrize("key", ["", "wrong"])
def test_401_names_the_variable_that_holds_the_key(home: Path, key: str) -> None:
    refusal = response(401, b'{"error":{"message":"bad key wrong"}}')
    with fault_server(refusal, listing=refusal) as server:
        ended, _ = ask(home, server.url, **({"LMSTUDIO_API_KEY": key} if key else {}))
    assert ended.returncode == 1
    assert "401" in ended.stderr and "LMSTUDIO_API_KEY" in ended.stderr


def test_the_key_is_sent_with_every_request_discovery_included(home: Path) -> None:
    answer = STREAM_HEAD + text("hello", "stop") + b"data: [DONE]\n\n"
    with fault_server(answer) as server:
        ended, _ = ask(home, server.url, LMSTUDIO_API_KEY="s3cret")
    assert ended.stdout == "hello\n"
    paths = [request.split()[1] for request in server.requests]
    assert paths == [b"/v1/models", b"/api/v0/models", b"/v1/chat/completions"]
    assert all(b"authorization: bearer s3cret" in request.lower() for request in server.requests)


def test_a_key_does_not_follow_a_redirect(home: Path) -> None:
    with fault_server(b"") as elsewhere:
        moved = response(302, b"", headers=f"location: {elsewhere.url}/models\r\n")
        with fault_server(moved, listing=moved) as server:
            ended, _ = ask(home, server.url, LMSTUDIO_API_KEY="s3cret")
        assert ended.returncode == 1 and "redirect" in ended.stderr
        assert elsewhere.requests == []


def test_a_rejected_tool_payload_points_to_the_servers_log(home: Path) -> None:
    refusal = response(400, b'{"error":{"message":"failed to parse grammar"}}')
    with fault_server(refusal) as server:
        ended, _ = ask(home, server.url)
    assert ended.returncode == 1
    assert "failed to parse grammar" in ended.stderr and "log" in ended.stderr and "tools" in ended.stderr


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (STREAM_HEAD + text("half a repl"), "broke off"),
        (STREAM_HEAD + text("half") + b'data: {"choices":[{"del', "broke off"),
        (STREAM_HEAD, "broke off"),
        (STREAM_HEAD + b"data: nonsense\n\n", "not a Chat Completions chunk"),
        (STREAM_HEAD + text("a") + b'data: {"error":{"message":"engine died"}}\n\n', "engine died"),
        (STREAM_HEAD + text("a") + b'data: {"error":"engine died"}\n\n', "engine died"),
        (response(200, b"<html>hello</html>", "text/html"), "text/html"),
        (response(200, b"", "text/plain"), "LMSTUDIO_BASE_URL"),
        (response(200, b'{"error":"Unexpected endpoint or method."}'), "Unexpected endpoint"),
        (response(500, b"<html>oh no</html>", "text/html"), "500"),
        (response(429, b'{"error":{"message":"queue full"}}'), "429"),
        (response(400, b'{"error":{"message":"x","code":"context_length_exceeded"}}'), "context"),
        (STREAM_HEAD + b"data: [DONE]\n\n", "broke off"),
        (response(200, b"junk", "text/event-stream", "content-encoding: gzip\r\n"), "broke off"),
        (b"HTTP/1.1 200 OK\r\n", "broke off"),
        (b"\x16\x03\x01 not http at all", "broke off"),
    ],
)
def test_a_failing_server_is_explained(home: Path, answer: bytes, word: str) -> None:
    with fault_server(answer) as server:
        ended, seconds = ask(home, server.url)
    assert ended.returncode == 1
    assert word in ended.stderr
    assert seconds < 10


def test_silence_is_given_up_after_the_configured_time(home: Path) -> None:
    (home / "vtcode.toml").write_text("[agent]\nstall_timeout_secs = 2\n")
    with fault_server(STREAM_HEAD + text("so "), hang=30) as server:
        ended, seconds = ask(home, server.url)
    assert ended.returncode == 1
    assert "sent nothing for 2 seconds" in ended.stderr and "smaller model" in ended.stderr
    assert seconds < 10


def test_silence_before_the_first_byte_is_given_up_as_well(home: Path) -> None:
    (home / "vtcode.toml").write_text("[agent]\nstall_timeout_secs = 2\n")
    with fault_server(b"", hang=30) as server:
        ended, seconds = ask(home, server.url)
    assert ended.returncode == 1
    assert "sent nothing for 2 seconds" in ended.stderr
    assert seconds < 10


def test_the_end_marker_ends_a_stream_whose_connection_stays_open(home: Path) -> None:
    with fault_server(STREAM_HEAD + text("fine", "stop") + b"data: [DONE]\n\n", hang=30) as server:
        ended, seconds = ask(home, server.url)
    assert ended.returncode == 0 and ended.stdout == "fine\n" and seconds < 5


def test_blocks_that_say_nothing_are_passed_over(home: Path) -> None:
    quiet = b": comment\n\nretry: 3000\n\nevent: ping\n\nid: 1\n\ndata:\n\n"
    with fault_server(STREAM_HEAD + quiet + text("fine", "stop") + quiet) as server:
        ended, _ = ask(home, server.url)
    assert ended.returncode == 0 and ended.stdout == "fine\n"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"object":"error","message":"auto tool choice requires a flag"}', "auto tool choice"),
        (b'{"detail":"Not here"}', "Not here"),
        (b'{"error":"plain"}', "plain"),
    ],
)
def test_the_servers_reason_is_found_in_other_shapes_too(home: Path, body: bytes, word: str) -> None:
    with fault_server(response(400, body)) as server:
        assert word in ask(home, server.url)[0].stderr


def test_a_stream_that_ends_with_its_marker_is_an_answer(home: Path) -> None:
    with fault_server(STREAM_HEAD + text("fine", "stop")) as server:
        ended, _ = ask(home, server.url)
    assert ended.returncode == 0 and ended.stdout == "fine\n"


def test_a_url_that_is_not_an_api_is_named_as_the_cause(home: Path) -> None:
    page = response(200, b"<html>router login</html>", "text/html")
    with fault_server(page, listing=page) as server:
        ended, _ = ask(home, server.url)
    assert ended.returncode == 1 and "LMSTUDIO_BASE_URL" in ended.stderr
