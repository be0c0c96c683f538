"""An engine that is killed and clients that leave: errors are clear, and nothing is lost for good."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.conformance.conftest import ask
from tests.conformance.strict import ErrorBody, strict
from tests.conftest import MODEL
from tests.support.processes import RunningServer, clean_environment, descendants, running_server


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, home / "server.log", "--parallel", "8") as server:
        yield server


def body(tokens: int, *, stream: bool = True, text: str = "Tell me a long story.") -> dict[str, Any]:
    return {"model": MODEL, "messages": ask(text), "temperature": 0, "max_tokens": tokens, "stream": stream}


def engine_of(server: RunningServer) -> int:
    (engine,) = [
        pid for pid in descendants(server.process.pid) if b"llama_child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return engine


def resident(server: RunningServer) -> int:
    """Add up the resident bytes of the server and its engines."""
    pids = [server.process.pid, *descendants(server.process.pid)]
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * os.sysconf("SC_PAGESIZE")


def open_files(server: RunningServer) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def answer_now(server: RunningServer, within: float) -> str:
    """Ask for a few tokens and give the text; fail if that takes longer than it would with free slots."""
    started = time.monotonic()
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=30) as client:
        reply = client.chat.completions.create(model=MODEL, messages=ask(), temperature=0, seed=1, max_tokens=4)
    assert time.monotonic() - started < within
    return reply.choices[0].message.content or ""


def test_streams_of_a_killed_engine_end_in_errors_and_the_next_request_is_answered(server: RunningServer) -> None:
    expected = answer_now(server, within=30)
    all_run = threading.Barrier(9, timeout=60)

    def stream(_: int) -> tuple[int, str]:
        """Give the status, and what the stream's last event says or the body of a refusal."""
        with httpx2.stream("POST", f"{server.url}/chat/completions", json=body(2000), timeout=60) as answer:
            if answer.status_code != 200:
                return answer.status_code, answer.read().decode()
            data = ""
            lines = answer.iter_lines()
            for line in lines:
                if line.startswith("data: "):
                    data = line.removeprefix("data: ")
                    break
            all_run.wait()
            for line in lines:
                if line.startswith("data: "):
                    data = line.removeprefix("data: ")
            return answer.status_code, data

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(stream, number) for number in range(8)]
        all_run.wait()
        engine = engine_of(server)
        os.kill(engine, signal.SIGKILL)
        killed = time.monotonic()
        ends = [future.result(30) for future in running]
    assert time.monotonic() - killed < 10
    for status, data in ends:
        assert status == 200
        error = strict(ErrorBody, data).error
        assert error.code == "engine_failed" and "SIGKILL" in error.message and error.type == "server_error"
    assert answer_now(server, within=30) == expected
    assert engine_of(server) != engine
    assert "Traceback" not in server.log.read_text()


def test_two_hundred_clients_of_which_a_third_leave_cost_nothing(server: RunningServer) -> None:
    expected = answer_now(server, within=30)
    chance = random.Random(20)
    # A first round lets allocators and caches grow to their size.
    _crowd(server, chance, 40)
    memory, files, engine = resident(server), open_files(server), engine_of(server)

    ends = _crowd(server, chance, 200)

    assert ends.count("left") > 50
    assert set(ends) == {"left", "whole"}, ends
    assert answer_now(server, within=5) == expected
    assert engine_of(server) == engine, "one engine, and it is the same one"
    assert resident(server) - memory < 50 << 20
    assert _soon(lambda: open_files(server) <= files + 4), "connections stay open"
    assert "Traceback" not in server.log.read_text()


def _crowd(server: RunningServer, chance: random.Random, size: int) -> list[str]:
    plans = [
        (chance.random() < 1 / 3, chance.uniform(0, 0.4), chance.random() < 0.5, chance.randint(1, 6))
        for _ in range(size)
    ]
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda plan: _visit(server, *plan), plans))


def _visit(server: RunningServer, leaves: bool, after: float, stream: bool, tokens: int) -> str:
    """Make one request, and leave it after a time if that is the plan; tell how it ended."""
    timeout = httpx2.Timeout(60, read=after if leaves else 60)
    asked = body(200 if leaves else tokens, stream=stream, text=f"Count to {tokens}.")
    with httpx2.Client(timeout=timeout) as client:
        try:
            with client.stream("POST", f"{server.url}/chat/completions", json=asked) as answer:
                end = time.monotonic() + after
                text = ""
                for part in answer.iter_text():
                    text += part
                    if leaves and time.monotonic() > end:
                        return "left"
        except httpx2.ReadTimeout:
            return "left"
    if answer.status_code == 429 or leaves:
        # A full queue refuses in time, which is no leak; and one who wanted to leave may have been too slow.
        return "left"
    assert answer.status_code == 200, text
    if stream:
        assert text.endswith("data: [DONE]\n\n")
    else:
        assert json.loads(text)["choices"][0]["finish_reason"] in {"stop", "length"}
    return "whole"


def _soon(holds: Callable[[], bool], within: float = 5.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False
