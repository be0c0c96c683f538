"""Starting, stopping, leaving and breaking: the server as a process."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest

from lmserver.service import ServiceSettings
from tests.conftest import MODEL, Script
from tests.support.processes import (
    BIN,
    RunningServer,
    clean_environment,
    cpu_seconds,
    descendants,
    gone,
    run,
    running_server,
)

LONG: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me a very long story."}],
    "max_tokens": 2000,
    # Sampled, the first tokens could be parts of one character, and no text yet.
    "temperature": 0,
    "logit_bias": {"2": -100},
}


def foreground(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(BIN / "lmstudio"), "server", "start", "--openai", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{port}/health")
            return
        time.sleep(0.05)
    pytest.fail("the server did not answer")


def is_idle(pids: list[int], within: float) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        before = cpu_seconds(pids)
        time.sleep(0.3)
        if cpu_seconds(pids) - before < 0.05:
            return True
    return False


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_a_client_that_leaves_frees_the_engine(real_server: RunningServer, stream: bool, phase: str) -> None:
    httpx2.post(f"{real_server.url}/chat/completions", json=LONG | {"max_tokens": 1}, timeout=60)
    body: dict[str, Any] = LONG | {"stream": stream}
    if phase == "prefill":
        body["messages"] = [{"role": "user", "content": f"{time.time()} " + "a long way to go " * 1500}]
    engines = descendants(real_server.process.pid)
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"

    with socket.create_connection(("127.0.0.1", urlsplit(real_server.url).port or 0)) as client:
        client.sendall(head.encode() + content)
        time.sleep(1.5)
        assert not is_idle(engines, 0.5), "the request should still be worked on"

    assert is_idle(engines, 4.0)


def test_ctrl_c_ends_a_busy_server_at_once_and_leaves_no_child(models: Path, home: Path) -> None:
    port = free_port()
    process = foreground(clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)}), "--port", str(port))
    wait_for(port)
    busy = threading.Thread(target=ask_in_vain, args=(f"http://127.0.0.1:{port}/v1/chat/completions",))
    busy.start()
    while not (children := descendants(process.pid)):
        time.sleep(0.05)
    time.sleep(1.5)

    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    busy.join()

    assert time.monotonic() - started < 2
    assert process.returncode == 0
    assert gone(children)
    assert b"Traceback" not in errors


def ask_in_vain(url: str) -> None:
    with contextlib.suppress(httpx2.TransportError):
        httpx2.post(url, json=LONG, timeout=60)


def test_the_banner_lists_endpoints_and_models(models: Path, home: Path) -> None:
    port = free_port()
    process = foreground(clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)}), "--port", str(port))
    wait_for(port)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=10)
    assert output == b""
    for expected in (f"http://localhost:{port}/v1/chat/completions", "GET", "/v1/models", MODEL, "Ctrl-C"):
        assert expected in errors.decode()


def test_a_killed_engine_fails_its_request_and_is_replaced(models: Path, home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with (
        running_server(environment, home / "log") as server,
        openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client,
    ):
        stream = client.chat.completions.create(**LONG, stream=True)
        next(stream)
        for pid in descendants(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(openai.APIError, match=r"SIGKILL.*next request"):
            list(stream)
        reply = client.chat.completions.create(model=MODEL, messages=LONG["messages"], temperature=0, max_tokens=2)
        assert reply.choices[0].message.content


def test_output_is_bounded_when_the_client_sets_no_limit(models: Path, home: Path) -> None:
    assert ServiceSettings(models=home, state=home).output_limit == 2048
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, home / "log", "--output-limit", "40") as server:
        for unlimited in ({}, {"max_tokens": -1}, {"max_tokens": None}):
            body = {name: value for name, value in LONG.items() if name != "max_tokens"} | unlimited
            reply = httpx2.post(f"{server.url}/chat/completions", json=body, timeout=60).json()
            assert reply["choices"][0]["finish_reason"] == "length"
            assert reply["usage"]["completion_tokens"] == 40


def test_a_killed_server_takes_its_engines_along(models: Path, home: Path) -> None:
    port = free_port()
    process = foreground(clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)}), "--port", str(port))
    wait_for(port)
    httpx2.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=LONG | {"max_tokens": 1}, timeout=60)
    children = descendants(process.pid)
    assert children
    process.kill()
    process.communicate()
    assert gone(children)


def test_a_port_in_use_is_said_plainly(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(["lmstudio", "server", "start", "--port", str(port)], clean_environment(home))
    assert ended.returncode == 1
    assert f"Port {port} is in use" in ended.stderr and "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_other_machines_are_let_in_only_with_a_key_or_on_request(home: Path) -> None:
    ended = run(["lmstudio", "server", "start", "--port", "0", "--host", "0.0.0.0"], clean_environment(home))
    assert ended.returncode == 1
    assert "LMSTUDIO_API_KEY" in ended.stderr and "--insecure-no-key" in ended.stderr


def test_with_a_key_every_route_but_health_needs_it(models: Path, home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, home / "log", key="s3cret") as server:
        assert httpx2.get(f"{server.root}/health").status_code == 200
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Bearer s3cret"}, 200),
            ({"x-api-key": "s3cret"}, 200),
        ):
            assert httpx2.get(f"{server.url}/models", headers=headers).status_code == status
            assert httpx2.post(f"{server.url}/nothing", headers=headers).status_code == (
                404 if status == 200 else 401
            )
        with (
            openai.OpenAI(base_url=server.url, api_key="wrong") as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()
    assert "s3cret" not in (home / "log").read_text()


def test_broken_files_are_explained_and_never_served(models: Path, home: Path) -> None:
    folder = home / "models"
    good = next(models.glob("*/*/*.gguf"))
    for repo in ("cut", "text", "good"):
        (folder / "someone" / repo).mkdir(parents=True)
    (folder / "someone" / "text" / "model.gguf").write_text("hello")
    with (folder / "someone" / "cut" / "model.gguf").open("wb") as cut:
        cut.write(good.read_bytes()[:5_000_000])
    (folder / "someone" / "good" / "model.gguf").symlink_to(good)
    environment = clean_environment(home)

    listed = run(["lmstudio", "ls"], environment)
    assert "good" in listed.stdout
    assert "truncated" in listed.stderr and "not a GGUF" in listed.stderr

    with running_server(environment, home / "log") as server:
        names = [entry["id"] for entry in httpx2.get(f"{server.url}/models").json()["data"]]
        assert names == ["good"]
        for name in ("cut", "someone/cut", "someone/cut/model.gguf"):
            answer = httpx2.post(f"{server.url}/chat/completions", json=LONG | {"model": name})
            assert answer.status_code == 404 and "truncated" in answer.json()["error"]["message"]


def test_a_model_that_fails_to_load_is_an_error_and_the_server_stays(models: Path, home: Path) -> None:
    # A whole file by its header, whose architecture the engine does not know.
    broken = home / "models" / "someone" / "odd" / "model.gguf"
    broken.parent.mkdir(parents=True)
    data = next(models.glob("*/*/*.gguf")).read_bytes()
    broken.write_bytes(data.replace(b"llama", b"lemma"))
    with running_server(clean_environment(home), home / "log") as server:
        answer = httpx2.post(f"{server.url}/chat/completions", json=LONG | {"model": "odd"}, timeout=60)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "model_load_failed"
        assert "lemma" in answer.json()["error"]["message"]
        assert httpx2.get(f"{server.url}/models").status_code == 200


def test_a_model_added_while_the_server_runs_is_listed(models: Path, home: Path) -> None:
    environment = clean_environment(home)
    with running_server(environment, home / "log") as server:
        assert httpx2.get(f"{server.url}/models").json()["data"] == []
        answer = httpx2.post(f"{server.url}/chat/completions", json=LONG)
        assert answer.status_code == 404 and "lmstudio get" in answer.json()["error"]["message"]
        added = run(["lmstudio", "import", str(next(models.glob("*/*/*.gguf"))), "--symbolic-link"], environment)
        assert added.returncode == 0, added.stderr
        assert len(httpx2.get(f"{server.url}/models").json()["data"]) == 1


def test_the_scripted_model_gives_exact_replies(home: Path, script: Script) -> None:
    path = script.write(
        {"reasoning": "Let me see.", "text": "I look.", "calls": [{"name": "f", "arguments": {"a": 1}}]},
        {"error": {"status": 503, "message": "Too busy."}},
    )
    with running_server(clean_environment(home), home / "log", "--script", str(path)) as server:
        body: dict[str, object] = {"model": "scripted", "messages": [{"role": "user", "content": "go"}]}
        message = httpx2.post(f"{server.url}/chat/completions", json=body).json()["choices"][0]["message"]
        assert message["reasoning_content"] == "Let me see." and message["content"] == "I look."
        assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
        body["messages"] = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "x"}]
        assert httpx2.post(f"{server.url}/chat/completions", json=body).status_code == 503
