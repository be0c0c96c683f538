"""Models that come and go on a running server: LM Studio's own routes, ids, time-outs and the settings file."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import Script
from tests.server.ggufmaker import put
from tests.support.processes import RunningServer, clean_environment, descendants, running_server

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 2, "temperature": 0}

SETTINGS = """
[server]
keep = 2
queue = 1

[defaults]
context_length = 1024

[models."someone/second"]
context_length = 512
parallel = 1
chat_template = "{{ messages[0]['content'] }}"

[models.guessing]
speculation = "ngram"
"""


@pytest.fixture(scope="module")
def folder(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose models folder holds the default model under several names."""
    home = tmp_path_factory.mktemp("several")
    for repo in ("First-GGUF", "Second", "Guessing"):
        link(models, home, repo)
    put(home / ".config/lmstudio/server.toml", SETTINGS.encode())
    return home


def link(models: Path, home: Path, repo: str) -> Path:
    path = home / "models/Someone" / repo / "model.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    original = next(models.glob("*/*/*.gguf"))
    try:
        os.link(original, path)
    except OSError:
        path.symlink_to(original)
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with running_server(clean_environment(folder), folder / "log") as server:
        yield server


def post(server: RunningServer, path: str, body: dict[str, Any]) -> httpx2.Response:
    return httpx2.post(f"{server.root}{path}", json=body, timeout=60)


def chat(server: RunningServer, name: str, **members: Any) -> httpx2.Response:
    return post(server, "/v1/chat/completions", HELLO | {"model": name} | members)


def native(server: RunningServer) -> dict[str, Any]:
    answer = httpx2.get(f"{server.root}/api/v1/models").json()
    return {model["key"]: model for model in answer["models"]}


def loaded(server: RunningServer) -> dict[str, Any]:
    return {instance["id"]: instance for model in native(server).values() for instance in model["loaded_instances"]}


def unload_all(server: RunningServer) -> None:
    for name in loaded(server):
        post(server, "/api/v1/models/unload", {"instance_id": name, "force": True})
    assert until(lambda: not descendants(server.process.pid), 3)


def until(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_the_lists_tell_what_is_there_and_what_is_loaded(server: RunningServer) -> None:
    unload_all(server)
    chat(server, "first")
    model = native(server)["first"]
    assert model | {"loaded_instances": None} == {
        "type": "llm",
        "publisher": "Someone",
        "key": "first",
        "display_name": "Smollm2 135M 8k Lc100K Mix1 Ep2",
        "architecture": "llama",
        "quantization": {"name": "Q4_1", "bits_per_weight": 5.85},
        "size_bytes": 98362432,
        "params_string": "135M",
        "loaded_instances": None,
        "max_context_length": 8192,
        "format": "gguf",
        "capabilities": {"vision": False, "trained_for_tool_use": False},
        "description": None,
    }
    [instance] = model["loaded_instances"]
    assert instance["size_bytes"] > 98362432 and instance["idle_seconds"] < 30
    assert instance | {"size_bytes": 0, "idle_seconds": 0} == {
        "id": "first",
        "config": {"context_length": 1024, "parallel": 4},
        "status": "idle",
        "in_flight": 0,
        "queued": 0,
        "ttl_seconds": 3600,
        "idle_seconds": 0,
        "size_bytes": 0,
        "load_progress": None,
    }
    old = {entry["id"]: entry for entry in httpx2.get(f"{server.root}/api/v0/models").json()["data"]}
    assert old["first"] == {
        "id": "first",
        "object": "model",
        "type": "llm",
        "publisher": "Someone",
        "arch": "llama",
        "compatibility_type": "gguf",
        "quantization": "Q4_1",
        "state": "loaded",
        "max_context_length": 8192,
        "loaded_context_length": 1024,
        "capabilities": ["vtcode_compact"],
    }
    assert old["second"]["state"] == "not-loaded"
    assert httpx2.get(f"{server.root}/api/v0/models/Someone%2FFirst-GGUF").json() == old["first"]
    card = httpx2.get(f"{server.url}/models/first").json()
    expected = {
        "state": "loaded",
        "loaded_context_length": 1024,
        "parallel": 4,
        "format": "gguf",
        "adapter": "vtcode",
    }
    assert expected.items() <= card.items() and card["size_bytes"] == 98362432


def test_a_load_tells_how_far_it_is(server: RunningServer) -> None:
    unload_all(server)
    body = {"model": "first"}
    shares: list[float] = []
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(post, server, "/api/v1/models/load", body)
        while not loading.done():
            shares += [share for one in loaded(server).values() if (share := one["load_progress"]) is not None]
    assert loading.result().status_code == 200
    assert shares
    assert all(0 <= share < 1 for share in shares)
    assert shares[-1] > shares[0]


def test_a_model_is_loaded_as_asked_and_unloaded(server: RunningServer) -> None:
    unload_all(server)
    body = {"model": "SOMEONE/First", "context_length": 768, "parallel": 2, "ttl": 90, "gpu": 0.5}
    answer = post(server, "/api/v1/models/load", body | {"eval_batch_size": 32, "echo_load_config": True}).json()
    assert answer.pop("load_time_seconds") > 0
    assert answer == {
        "type": "llm",
        "instance_id": "first",
        "status": "loaded",
        "load_config": {"context_length": 768, "parallel": 2, "eval_batch_size": 32},
    }
    assert loaded(server)["first"]["ttl_seconds"] == 90
    assert chat(server, "first").status_code == 200

    assert "load_config" not in post(server, "/api/v1/models/load", {"model": "first"}).json()
    instance = loaded(server)["first"]
    assert (instance["ttl_seconds"], instance["config"]["context_length"]) == (None, 768)

    engines = descendants(server.process.pid)
    answer = post(server, "/api/v1/models/unload", {"instance_id": "someone/first"})
    assert (answer.status_code, answer.json()) == (200, {"instance_id": "first"})
    assert not loaded(server) and len(descendants(server.process.pid)) == len(engines) - 1
    again = post(server, "/api/v1/models/unload", {"instance_id": "first"})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("load", {"model": "none"}, 404, "model"),
        ("load", {"model": ""}, 400, "model"),
        ("load", {"model": "first", "context_length": "4096"}, 400, "context_length"),
        ("load", {"model": "first", "gpu": 1.5}, 400, "gpu"),
        ("load", {"model": "first", "draft_model": "/etc/passwd"}, 404, "model"),
        ("unload", {"instance_id": "none"}, 404, "model"),
        ("unload", {}, 400, None),
    ],
)
def test_senseless_requests_are_refused(
    server: RunningServer, path: str, body: dict[str, Any], status: int, param: str | None
) -> None:
    answer = post(server, f"/api/v1/models/{path}", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_two_models_are_loaded_at_once_each_by_its_own_settings_and_the_third_takes_a_place(
    server: RunningServer,
) -> None:
    unload_all(server)
    assert chat(server, "first").json()["usage"]["prompt_tokens"] > 10
    # Its own template gives the bare text: three words and a full stop.
    assert chat(server, "second").json()["usage"]["prompt_tokens"] < 6
    configs = {name: instance["config"] for name, instance in loaded(server).items()}
    assert configs == {
        "first": {"context_length": 1024, "parallel": 4},
        "second": {"context_length": 512, "parallel": 1},
    }
    assert chat(server, "guessing").json()["model"] == "guessing"
    assert set(loaded(server)) == {"second", "guessing"}


def test_guessing_ahead_changes_no_text(server: RunningServer) -> None:
    question = [{"role": "user", "content": "Repeat three times: one two three four five six seven."}]
    plain, guessed = (
        chat(server, name, messages=question, max_tokens=40).json()["choices"][0]["message"]["content"]
        for name in ("first", "guessing")
    )
    assert len(plain) > 20 and plain == guessed


def test_a_draft_model_changes_no_text(server: RunningServer) -> None:
    plain = chat(server, "first", max_tokens=12).json()["choices"][0]["message"]["content"]
    answer = post(server, "/api/v1/models/load", {"model": "first", "draft_model": "guessing"})
    assert answer.status_code == 200, answer.text
    assert chat(server, "first", max_tokens=12).json()["choices"][0]["message"]["content"] == plain
    unload_all(server)


def test_an_unused_model_is_unloaded_after_its_time(server: RunningServer) -> None:
    unload_all(server)
    assert post(server, "/api/v1/models/load", {"model": "first", "ttl": 1}).status_code == 200
    assert chat(server, "first").status_code == 200
    assert "first" in loaded(server)
    assert until(lambda: not loaded(server), 3)
    assert not descendants(server.process.pid)
    assert chat(server, "first").status_code == 200


def test_a_model_in_use_is_unloaded_by_force_alone_and_its_request_is_told(server: RunningServer) -> None:
    chat(server, "first")
    body = HELLO | {"model": "first", "max_tokens": 900, "stream": True, "logit_bias": {"2": -100}}
    with httpx2.stream("POST", f"{server.url}/chat/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        assert any("content" in line for line in lines)
        assert loaded(server)["first"]["status"] == "generating"
        refused = post(server, "/api/v1/models/unload", {"instance_id": "first"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_in_use")
        assert "1 request uses" in refused.json()["error"]["message"]
        assert post(server, "/api/v1/models/unload", {"instance_id": "first", "force": True}).status_code == 200
        rest = "\n".join(lines)
    assert "unloaded" in rest and "[DONE]" not in rest


def test_a_model_put_into_the_folder_serves_within_a_second_and_goes_with_its_file(
    server: RunningServer, models: Path, folder: Path
) -> None:
    path = link(models, folder, "Side-GGUF")
    broken = put(folder / "models/Someone/Broken/x.gguf", b"no model")
    started = time.monotonic()
    names = [entry["id"] for entry in httpx2.get(f"{server.url}/models").json()["data"]]
    assert time.monotonic() - started < 1
    assert names == ["first", "guessing", "second", "side"]
    assert chat(server, "side").status_code == 200
    answer = chat(server, "broken")
    assert answer.status_code == 404 and "not a GGUF file" in answer.json()["error"]["message"]
    for file in (path, broken):
        file.unlink()
        file.parent.rmdir()
    assert "side" not in native(server)
    assert until(lambda: "side" not in loaded(server), 1)
    assert chat(server, "side").status_code == 404


def test_a_model_replaced_on_disk_is_loaded_anew(server: RunningServer, models: Path, folder: Path) -> None:
    path = link(models, folder, "Changing")
    chat(server, "changing")
    before = descendants(server.process.pid)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    assert chat(server, "changing").status_code == 200
    assert set(descendants(server.process.pid)) - set(before)
    path.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize(
    "name", ["..", "../../etc/passwd", "%2e%2e%2f", "first%00", "x" * 10_000, "first/../second", "first@", "%ff"]
)
def test_odd_ids_are_not_found_fast(server: RunningServer, name: str) -> None:
    started = time.monotonic()
    answers = [chat(server, name), httpx2.get(f"{server.url}/models/{name.replace('/', '%2F')}")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert time.monotonic() - started < 1
    assert all(len(answer.content) < 2000 and "Traceback" not in answer.text for answer in answers)


def test_a_client_hears_of_a_load_that_takes_long(server: RunningServer) -> None:
    unload_all(server)
    events: list[str] = []

    def ask() -> None:
        body = HELLO | {"model": "first", "stream": True}
        with httpx2.stream("POST", f"{server.url}/chat/completions", json=body, timeout=60) as answer:
            events.extend(answer.iter_lines())

    asking = threading.Thread(target=ask)
    asking.start()
    assert until(lambda: bool(descendants(server.process.pid)), 5)
    [engine] = descendants(server.process.pid)
    os.kill(engine, signal.SIGSTOP)
    try:
        card = httpx2.get(f"{server.url}/models/first").json()
        assert card["state"] == "loading" and loaded(server)["first"]["status"] == "loading"
        time.sleep(2.5)
    finally:
        os.kill(engine, signal.SIGCONT)
    asking.join()
    assert any(line.startswith(": loading the model, 2 s so far") for line in events)
    assert events[-2:] == ["data: [DONE]", ""]


def test_those_who_look_for_a_server_find_one(server: RunningServer) -> None:
    assert httpx2.get(f"{server.root}/lmstudio-greeting").json() == {"lmstudio": True}
    assert httpx2.get(f"{server.root}/lms-status").json().keys() == {"package", "version"}


def test_a_settings_file_that_changes_counts_from_the_next_load(server: RunningServer, folder: Path) -> None:
    unload_all(server)
    path = folder / ".config/lmstudio/server.toml"
    path.write_text(SETTINGS.replace("context_length = 1024", "context_length = 640"))
    try:
        chat(server, "first")
        assert loaded(server)["first"]["config"]["context_length"] == 640
        path.write_text("[defaults]\ncontext_lenght = 5")
        chat(server, "guessing")
        assert loaded(server)["guessing"]["config"]["context_length"] == 640
        assert "Did you mean context_length?" in server.log.read_text()
    finally:
        path.write_text(SETTINGS)


def test_a_broken_settings_file_keeps_the_server_from_starting(tmp_path: Path) -> None:
    put(tmp_path / ".config/lmstudio/server.toml", b"[server]\nkepp = 1")
    with (
        pytest.raises(AssertionError, match=r"kepp is not known. Did you mean keep"),
        running_server(clean_environment(tmp_path), tmp_path / "log"),
    ):
        pass


def test_a_full_queue_is_told_at_once_and_when_to_come_again(tmp_path: Path, script: Script) -> None:
    put(tmp_path / ".config/lmstudio/server.toml", b"[server]\nqueue = 1")
    path = script.write({"text": "one two three four", "delay": 0.4})
    with running_server(clean_environment(tmp_path), tmp_path / "log", "--script", str(path)) as server:
        answers: list[httpx2.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(chat(server, "scripted"))) for _ in range(7)]
        for thread in threads:
            thread.start()
        assert until(lambda: loaded(server).get("scripted", {}).get("queued") == 1, 2)
        for thread in threads:
            thread.join()
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] * 5 + [429] * 2
        for answer in answers:
            if answer.status_code == 429:
                assert answer.json()["error"]["code"] == "queue_full"
                assert int(answer.headers["retry-after"]) >= 1


def test_another_stream_goes_on_with_every_part_of_a_long_prompt_that_is_read(models: Path, tmp_path: Path) -> None:
    link(models, tmp_path, "Tiny")
    with running_server(clean_environment(tmp_path), tmp_path / "log") as server:
        times: list[float] = []
        stop = threading.Event()

        def listen() -> None:
            body = HELLO | {"model": "tiny", "max_tokens": 2000, "stream": True, "logit_bias": {"2": -100}}
            with (
                contextlib.suppress(httpx2.TransportError),
                httpx2.stream("POST", f"{server.url}/chat/completions", json=body, timeout=60) as answer,
            ):
                for line in answer.iter_lines():
                    if line.startswith("data"):
                        times.append(time.monotonic())
                    if stop.is_set():
                        return

        listener = threading.Thread(target=listen)
        listener.start()
        assert until(lambda: len(times) > 10, 30)
        started = time.monotonic()
        long = [{"role": "user", "content": "a long way to go " * 150}]
        prompt_tokens = chat(server, "tiny", messages=long, max_tokens=1).json()["usage"]["prompt_tokens"]
        ended = time.monotonic()
        assert prompt_tokens > 600
        stop.set()
        listener.join()
    # A token for each part of 64 tokens, which take one slow core about half a second; counted, since the time
    # of a busy machine decides nothing.
    assert len([at for at in times if started <= at <= ended]) >= prompt_tokens // 64 - 2
