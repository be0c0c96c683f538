"""A server that a person leaves running: found, stopped, crashed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lmserver import daemon
from lmserver.daemon import Record
from tests.support.processes import BIN, clean_environment, descendants, gone, run, running_server


class Person:
    """Types commands, and forgets to clean up."""

    def __init__(self, home: Path, models: Path) -> None:
        self.environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
        self.state = home / ".local/state/lmstudio"

    def types(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["lmstudio", "server", *arguments], self.environment)

    def starts(self, *arguments: str) -> Record:
        before = {record.pid for record in daemon.records(self.state)}
        ended = self.types("start", "--detach", *arguments)
        assert ended.returncode == 0, ended.stderr
        return next(record for record in daemon.records(self.state) if record.pid not in before)

    def asks(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.types("status", "--json", *arguments).stdout)


@pytest.fixture
def person(home: Path, models: Path) -> Iterator[Person]:
    someone = Person(home, models)
    yield someone
    for record in daemon.records(someone.state):
        if daemon.lives(record):
            os.kill(record.pid, signal.SIGCONT)
            assert daemon.end(record, within=10, force=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def ended(record: Record) -> bool:
    deadline = time.monotonic() + 10
    while daemon.lives(record) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not daemon.lives(record)


def test_a_server_is_left_running_found_and_stopped(person: Person) -> None:
    port = free_port()
    started = person.types("start", "--detach", "--port", str(port))
    assert started.returncode == 0 and started.stdout == ""
    assert f"The server is running on port {port} (pid " in started.stderr
    [record] = daemon.records(person.state)
    assert (person.state / f"server-{port}.json").stat().st_mode & 0o777 == 0o600
    # Neither the terminal nor whoever started it matters to it.
    assert os.getsid(record.pid) == record.pid

    asked = person.types("status")
    assert asked.returncode == 0 and asked.stdout.startswith(f"The server is running on port {port}.\n")
    answer = person.asks()
    assert answer.pop("uptime_seconds") >= 0
    assert answer.pop("servers")[0]["pid"] == record.pid
    assert answer == {
        "running": True,
        "port": port,
        "pid": record.pid,
        "url": f"http://localhost:{port}",
        "version": record.version,
    }

    stopped = person.types("stop")
    assert (stopped.returncode, stopped.stderr) == (0, f"Stopped the server on port {port}.\n")
    assert not daemon.lives(record) and daemon.records(person.state) == []
    again = person.types("status")
    assert (again.returncode, again.stdout) == (1, "")
    assert "No server is running. Start one with" in again.stderr
    assert person.asks() == {"running": False, "servers": []}
    assert person.types("stop").returncode == 1


def test_a_crash_is_noticed_and_does_not_block_the_next_start(person: Person) -> None:
    crashed = person.starts("--port", "0")
    os.kill(crashed.pid, signal.SIGKILL)
    assert ended(crashed)

    asked = person.types("status")
    assert (asked.returncode, asked.stdout) == (1, "")
    said = f"The server that ran on port {crashed.port} (pid {crashed.pid}) ended without saying so; its log is "
    assert asked.stderr == f"{said}{person.state}/log/server.out.\n"
    assert person.asks()["running"] is False

    record = person.starts("--port", str(crashed.port))
    assert daemon.records(person.state) == [record] and person.asks()["pid"] == record.pid


def test_a_second_server_needs_a_port_of_its_own(person: Person) -> None:
    first = person.starts("--port", "0")
    refused = person.types("start", "--port", str(first.port))
    assert refused.returncode == 1
    assert f"A server already runs on port {first.port} (pid {first.pid}" in refused.stderr
    assert "lmstudio server stop" in refused.stderr

    second = person.starts("--port", "0")
    which = person.types("stop")
    assert which.returncode == 1 and "Say which one with --port" in which.stderr
    assert person.asks("--port", str(second.port))["pid"] == second.pid
    assert person.types("stop", "--port", str(second.port)).returncode == 0
    assert daemon.lives(first) and not daemon.lives(second)


def test_a_server_that_hangs_is_killed_with_its_engines(person: Person) -> None:
    record = person.starts("--port", "0")
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    httpx2.post(f"{record.address}/v1/chat/completions", json=body, timeout=60)
    engines = descendants(record.pid)
    assert engines
    os.kill(record.pid, signal.SIGSTOP)

    asked = person.types("status")
    assert asked.returncode == 1 and "lives but does not answer" in asked.stderr
    stopped = person.types("stop", "--wait", "0.5")
    assert stopped.returncode == 1 and "did not end within 0.5 seconds" in stopped.stderr
    assert person.types("stop", "--force").returncode == 0
    assert gone([record.pid, *engines]) and daemon.records(person.state) == []


def test_a_start_that_fails_says_why(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = person.types("start", "--detach", "--port", str(port))
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"lmstudio: The server did not start (exit status 1): Port {port} is in use")
    assert len(failed.stderr.splitlines()) == 1 and daemon.records(person.state) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_server_in_the_foreground_is_found_and_leaves_no_record(person: Person, how: signal.Signals) -> None:
    process = subprocess.Popen(
        [str(BIN / "lmstudio"), "server", "start", "--port", "0"],
        env=person.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    while not daemon.records(person.state) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert person.asks()["pid"] == process.pid
    process.send_signal(how)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0 and b"Traceback" not in errors
    assert daemon.records(person.state) == []


def test_a_process_that_took_over_the_number_is_left_alone(person: Person) -> None:
    with subprocess.Popen(["sleep", "60"]) as other, contextlib.ExitStack() as stack:
        stack.callback(other.kill)
        record = Record(pid=other.pid, born="long ago", host="127.0.0.1", port=1, url="", version="1", started=0.0)
        stack.enter_context(daemon.recorded(person.state, record))
        assert "ended without saying so" in person.types("status").stderr
        assert person.types("stop", "--force").returncode == 1
        assert other.poll() is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"pid": 1}', b"[" * 100_000])
def test_a_file_that_is_no_record_means_nothing(person: Person, content: bytes) -> None:
    person.state.mkdir(parents=True)
    (person.state / "server-1234.json").write_bytes(content)
    assert person.asks() == {"running": False, "servers": []}


def test_a_server_that_serves_one_parent_is_not_recorded(home: Path, person: Person) -> None:
    with running_server(person.environment, home / "log"):
        assert daemon.records(person.state) == []


def test_a_state_folder_that_cannot_be_written_does_not_keep_the_server_from_serving(person: Person) -> None:
    person.state.parent.mkdir(parents=True)
    person.state.write_text("a file")
    port = free_port()
    process = subprocess.Popen(
        [str(BIN / "lmstudio"), "server", "start", "--port", str(port)],
        env=person.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    while not daemon.answers(f"http://127.0.0.1:{port}") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0 and b"cannot find this server" in errors
    detached = person.types("start", "--detach", "--port", str(port))
    assert detached.returncode == 1 and "cannot be written" in detached.stderr
