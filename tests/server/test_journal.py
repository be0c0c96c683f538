"""The log and the numbers: what is told of each request, and what never is."""

import json
import logging
import os
import re
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lmserver.logfile import LogFile, log_file
from tests.conftest import MODEL, Script
from tests.support.processes import RunningServer, clean_environment, running_server

HELLO: Any = [{"role": "user", "content": "Say hello, Zanzibar."}]


def journal(home: Path) -> Path:
    return log_file(home / ".local" / "state" / "lmstudio")


def lines(home: Path, event: str = "request") -> list[dict[str, Any]]:
    """Read the log; the server writes a line after the last byte of the answer."""
    time.sleep(0.1)
    return [line for line in map(json.loads, journal(home).read_text().splitlines()) if line["event"] == event]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(house: Path) -> Iterator[RunningServer]:
    script = Script(house / "scripted.json").write({"text": "one two three four", "delay": 0.02})
    with running_server(clean_environment(house), house / "log", "--script", str(script)) as server:
        yield server


def test_a_refused_request_says_why_but_not_what_was_sent(server: RunningServer, house: Path) -> None:
    httpx2.post(f"{server.url}/chat/completions", json={"model": "Zanzibar", "messages": HELLO})
    httpx2.post(f"{server.url}/chat/completions", json={"model": "scripted", "messages": "Zanzibar"})
    httpx2.get(f"{server.url}/models", headers={"Host": "evil.example"})
    told = [line["error"] for line in lines(house)[-3:]]
    assert told == ["model_not_found (model)", "invalid_value (messages)", "forbidden_host"]


def test_a_request_is_one_line_that_tells_what_it_cost(server: RunningServer, house: Path) -> None:
    body = {"model": "scripted", "messages": HELLO, "stream": True}
    answer = httpx2.post(f"{server.url}/chat/completions?key=secret", json=body)
    line = lines(house)[-1]

    assert line["id"] == answer.headers["x-request-id"] and line["id"].startswith("req_")
    assert abs(datetime.fromisoformat(line["time"]).timestamp() - time.time()) < 5 and line["time"].endswith("Z")
    expected = {
        "level": "info",
        "method": "POST",
        "route": "/v1/chat/completions",
        "model": "scripted",
        "client": "127.0.0.1",
        "status": 200,
        "completion_tokens": 4,
    }
    assert expected.items() <= line.items()
    assert line["prompt_tokens"] > 0 and line["cached_tokens"] == 0
    assert 0.02 <= line["time_to_first_token"] < line["seconds"] < 2
    assert 20 < line["tokens_per_second"] < 100
    everything = journal(house).read_text() + server.log.read_text()
    assert "Zanzibar" not in everything and "secret" not in everything
    assert "POST  /v1/chat/completions  200" in server.log.read_text()


def test_a_prompt_counts_once_for_all_its_choices(server: RunningServer, house: Path) -> None:
    body = {"model": "scripted", "messages": HELLO}
    for n in (1, 3):
        assert httpx2.post(f"{server.url}/chat/completions", json=body | {"n": n}).status_code == 200
    one, three = lines(house)[-2:]
    assert three["prompt_tokens"] == one["prompt_tokens"] > 0
    assert three["completion_tokens"] == 3 * one["completion_tokens"]


def test_models_that_go_are_told(server: RunningServer, house: Path) -> None:
    httpx2.post(f"{server.url}/chat/completions", json={"model": "scripted", "messages": HELLO})
    answer = httpx2.post(f"{server.root}/api/v1/models/unload", json={"instance_id": "scripted"})
    assert answer.status_code == 200
    line = lines(house, "model")[-1]
    assert (line["model"], line["action"], line["reason"]) == ("scripted", "unload", "as asked")


def test_a_server_that_is_stopped_says_so_to_those_who_wait(tmp_path: Path) -> None:
    slow = Script(tmp_path / "slow.json").write({"text": "word " * 200, "delay": 0.1})
    body: dict[str, Any] = {"model": "slow", "messages": HELLO}
    whole: list[httpx2.Response] = []
    with running_server(clean_environment(tmp_path), tmp_path / "log", "--script", str(slow)) as server:

        def ask() -> None:
            whole.append(httpx2.post(f"{server.url}/chat/completions", json=body))

        asking = threading.Thread(target=ask)
        asking.start()
        with httpx2.stream("POST", f"{server.url}/chat/completions", json=body | {"stream": True}) as stream:
            events = stream.iter_lines()
            next(line for line in events if "word" in line)
            server.process.send_signal(signal.SIGINT)
            rest = "".join(events)
        asking.join()
    assert "The server stops" in rest and "starts it anew" not in rest
    assert whole[0].status_code == 503 and "The server stops" in whole[0].json()["error"]["message"]


def test_paths_are_told_as_routes_and_hostile_ones_escaped_and_cut(server: RunningServer, house: Path) -> None:
    port = urlsplit(server.url).port or 0
    for path in ("/v1/models/someone/x", "/%1b%5b31m%0a%c2%9b" + "a" * 5000):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert client.recv(65536)
    known, unknown = lines(house)[-2:]
    assert known["route"] == "/v1/models/{name:path}" and known["model"] is None and known["status"] == 404
    assert unknown["route"] == "other" and len(unknown["path"]) == 200
    for text in (journal(house).read_bytes(), server.log.read_bytes()):
        assert b"\x1b" not in text and b"\x9b" not in text


def test_refusals_are_told_too(server: RunningServer, house: Path) -> None:
    answer = httpx2.get(f"{server.url}/models", headers={"Host": "evil.example"})
    line = lines(house)[-1]
    assert (line["status"], line["id"]) == (403, answer.headers["x-request-id"])


def test_a_client_that_leaves_is_told_as_such(tmp_path: Path) -> None:
    slow = Script(tmp_path / "slow.json").write({"text": "word " * 200, "delay": 0.1})
    body = {"model": "slow", "messages": HELLO, "stream": True}
    with (
        running_server(clean_environment(tmp_path), tmp_path / "log", "--script", str(slow)) as server,
        httpx2.stream("POST", f"{server.url}/chat/completions", json=body) as stream,
    ):
        next(line for line in stream.iter_lines() if "word" in line)
        stream.close()
        time.sleep(0.3)
        line = lines(tmp_path)[-1]
        assert line["status"] == 499 and 0 < line["completion_tokens"] < 20


def test_the_numbers_add_up_and_hold_no_words_of_clients(server: RunningServer) -> None:
    def numbers() -> dict[str, float]:
        answer = httpx2.get(f"{server.root}/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
        assert not [value for sample in samples for value in sample.labels.values() if "hostile" in value]
        return {f"{sample.name}{sorted(sample.labels.items())}": sample.value for sample in samples}

    before = numbers()
    body = {"model": "scripted", "messages": HELLO}
    assert httpx2.post(f"{server.url}/chat/completions", json=body).status_code == 200
    assert httpx2.post(f"{server.url}/chat/completions", json=body | {"model": "hostile"}).status_code == 404
    assert httpx2.request("HOSTILE", f"{server.root}/hostile").status_code == 404
    after = numbers()

    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    chat = "('method', 'POST'), ('route', '/v1/chat/completions')"
    assert grown[f"lmstudio_requests_total[{chat}, ('status', '200')]"] == 1
    assert grown[f"lmstudio_requests_total[{chat}, ('status', '404')]"] == 1
    assert grown["lmstudio_requests_total[('method', 'other'), ('route', 'other'), ('status', '404')]"] == 1
    assert grown["lmstudio_tokens_total[('kind', 'completion'), ('model', 'scripted')]"] == 4
    assert grown["lmstudio_time_to_first_token_seconds_count[('model', 'scripted')]"] == 1
    assert after["lmstudio_requests_waiting[]"] == 0
    assert after["lmstudio_requests_running[]"] == 1 and after["lmstudio_models_loaded[]"] == 1
    assert after["process_resident_memory_bytes[]"] > 1e7


def test_prompts_are_told_on_request_as_the_model_reads_them(models: Path, home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    tool = {"type": "function", "function": {"name": "greet", "parameters": {"type": "object", "properties": {}}}}
    body: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": 2, "temperature": 0}
    with running_server(environment, home / "log", "--log-prompts") as server:
        for extra in ({}, {"tools": [tool], "tool_choice": "required", "max_tokens": 100}):
            answer = httpx2.post(f"{server.url}/chat/completions", json=body | extra, timeout=60)
            prompt = lines(home, "prompt")[-1]
            assert prompt["id"] == answer.headers["x-request-id"] and prompt["model"] == MODEL
            text = prompt["prompt"]
            assert "<|im_start|>user\nSay hello, Zanzibar.<|im_end|>\n<|im_start|>assistant\n" in text
            assert ("greet" in text) == bool(extra)
            assert text.endswith("assistant\n") != bool(extra)
    assert "Zanzibar" not in (home / "log").read_text()


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(home: Path) -> None:
    folder = journal(home).parent
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where a folder should be")
    with running_server(clean_environment(home), home / "log") as server:
        for _ in range(3):
            assert httpx2.get(f"{server.url}/models").status_code == 200
    assert (home / "log").read_text().count("going on without it") == 1


# The file -----------------------------------------------------------------------------------------------


def event(message: str) -> logging.LogRecord:
    return logging.LogRecord("lmstudio", logging.INFO, "", 0, message, None, None)


def test_a_full_file_is_followed_by_a_new_one_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "log" / "server.jsonl"
    one, other = LogFile(path, may_rotate=True, max_size=1000), LogFile(path, may_rotate=False)
    for index in range(100):
        (one if index % 2 else other).emit(event(f"{index:02} " + "x" * 97))
    one.close()
    other.close()

    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["server.jsonl", *(f"server.jsonl.{number}" for number in range(1, 6))]
    files = [path.with_name(name).read_text().splitlines() for name in (*reversed(names[1:]), names[0])]
    kept = [int(line[:2]) for file in files for line in file]
    assert kept == list(range(100 - len(kept), 100)) and len(kept) > 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_full_disk_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "server.jsonl"
    path.symlink_to("/dev/full")
    file = LogFile(path, may_rotate=True)
    for _ in range(3):
        file.emit(event("x"))
    file.close()
    assert len(re.findall("No space left", capsys.readouterr().err)) == 1
    assert os.path.islink(path)
