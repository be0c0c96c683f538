import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import BIN, clean_environment, run

REQUEST = {
    "time": "2026-01-02T03:04:05Z",
    "event": "request",
    "level": "info",
    "message": "POST  /v1/chat/completions  200",
    "method": "POST",
    "route": "/v1/chat/completions",
    "model": "tiny\x1b[2J",
    "client": "laptop",
    "status": 200,
    "prompt_tokens": 30,
    "cached_tokens": 24,
    "completion_tokens": 5,
    "time_to_first_token": 0.25,
    "tokens_per_second": 12.345,
    "seconds": 0.75,
}
FAILURE = REQUEST | {"status": 429, "error": "queue_full", "route": "other", "path": "/v1/x"}


def log_of(home: Path) -> Path:
    path = home / ".local/state/lmstudio/log/server.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def lines(*values: Mapping[str, object]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def numbered(*numbers: int) -> str:
    return lines(*({"time": "", "event": "server", "level": "info", "message": f"n{number}"} for number in numbers))


def test_the_log_is_a_line_for_each_request(home: Path) -> None:
    log_of(home).write_text(lines(REQUEST, FAILURE))
    environment = clean_environment(home, {"TZ": "UTC"})
    ended = run(["lmstudio", "log"], environment)
    assert ended.stdout.splitlines()[0] == (
        "2026-01-02 03:04:05  INFO     POST /v1/chat/completions  200  tiny\\x1b[2J  laptop  "
        "30 → 5 tokens (24 cached)  0.75 s  0.25 s to the first  12.3 tok/s"
    )
    assert "  POST /v1/x  429  queue_full  tiny" in ended.stdout.splitlines()[1]
    only = run(["lmstudio", "log", "--errors", "--json"], environment).stdout
    assert json.loads(only) == FAILURE and "\x1b" not in only


def test_the_last_entries_come_from_rotated_files_too_and_garbage_is_counted(home: Path) -> None:
    path = log_of(home)
    path.with_name("server.jsonl.2").write_text(numbered(0, 1))
    path.with_name("server.jsonl.1").write_text(numbered(2) + '{"half": ')
    path.write_bytes(b"\xff\n[]\n\n" + b"[" * 5000 + b"\n" + numbered(3, 4).encode())
    ended = run(["lmstudio", "log", "-n", "4"], clean_environment(home))
    assert [line.split()[-1] for line in ended.stdout.splitlines()] == ["n1", "n2", "n3", "n4"]
    assert ended.stderr == "3 lines were not readable and left out.\n"


def test_a_log_that_is_not_there_yet_is_said(home: Path) -> None:
    ended = run(["lmstudio", "log"], clean_environment(home))
    assert (ended.returncode, ended.stdout) == (0, "") and "There is nothing to show in" in ended.stderr


def test_following_survives_a_missing_file_a_half_line_and_a_rotation(home: Path) -> None:
    path = log_of(home)
    process = subprocess.Popen(
        [str(BIN / "lmstudio"), "log", "--follow"],
        env=clean_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None

    def comes(number: int) -> None:
        assert process.stdout is not None
        assert process.stdout.readline().split()[-1] == f"n{number}"

    time.sleep(0.5)
    path.write_text(numbered(1))
    comes(1)
    with path.open("a") as file:
        text = numbered(2)
        file.write(text[:20])
        file.flush()
        time.sleep(0.5)
        file.write(text[20:])
    comes(2)
    with path.open("a") as file:
        file.write(numbered(3))
        path.rename(path.with_name("server.jsonl.1"))
    path.write_text(numbered(4))
    comes(3)
    comes(4)
    process.send_signal(2)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130 and "Traceback" not in errors
