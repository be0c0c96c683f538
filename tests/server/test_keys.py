"""API keys: made once, stored hashed, needed on every route, followed while the server runs."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from lmserver.app import ENDPOINTS
from lmserver.keys import Keyring, create, keys_file
from tests.support.processes import RunningServer, clean_environment, run, running_server


def state(home: Path) -> Path:
    return home / ".local" / "state" / "lmstudio"


def key_command(home: Path, *arguments: str) -> tuple[int, str, str]:
    ended = run(["lmstudio", "key", *arguments], clean_environment(home))
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


def status(server: RunningServer, key: str, path: str = "/v1/models", method: str = "GET") -> int:
    headers = {b"Authorization": f"Bearer {key}".encode()} if key else {}
    return httpx2.request(method, f"{server.root}{path}", headers=headers).status_code


def test_a_key_is_printed_once_and_only_its_digest_is_stored(home: Path) -> None:
    code, key, explained = key_command(home, "create", "laptop")
    key = key.strip()
    assert code == 0 and key.startswith("sk-lm-") and len(key) == 46 and key not in explained
    file = keys_file(state(home))
    assert key not in file.read_text() and key[6:16] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    assert key_command(home, "create", "ci")[0] == 0
    code, listed, _ = key_command(home, "list")
    assert "laptop" in listed and key[:12] in listed and key not in listed
    rows = json.loads(key_command(home, "list", "--json")[1])
    assert [row["name"] for row in rows] == ["laptop", "ci"] and rows[0].keys() == {"name", "prefix", "created"}

    assert key_command(home, "revoke", "laptop")[0] == 0
    assert "laptop" not in key_command(home, "list")[1]


def test_bad_names_and_unknown_keys_are_explained(home: Path) -> None:
    assert key_command(home, "create", "one")[0] == 0
    for arguments, word in (
        (("create", "one"), "already"),
        (("create", "a/b"), "letters"),
        (("create", "x" * 65), "letters"),
        (("create", "env"), "LMSTUDIO_API_KEY"),
        (("create", "a\x1b[31m"), "letters"),
        (("revoke", "two"), "The keys are: one"),
    ):
        code, output, errors = key_command(home, *arguments)
        assert code == 1 and output == "" and word in errors and "\x1b" not in errors


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def key(house: Path) -> str:
    return create(state(house), "first")


@pytest.fixture(scope="module")
def server(house: Path, key: str) -> Iterator[RunningServer]:
    with running_server(clean_environment(house), house / "log", key="from-the-environment-é") as server:
        yield server


def test_every_route_but_health_needs_a_key(server: RunningServer, key: str) -> None:
    paths = {(each.method, each.path.partition("{")[0]) for each in ENDPOINTS} | {("GET", "/nothing")}
    for method, path in sorted(paths):
        expected = 200 if path == "/health" else 401
        assert status(server, "", path, method) == expected, path
        assert status(server, "sk-lm-wrong", path, method) == expected, path
        assert status(server, key, path, method) != 401, path
    assert status(server, "from-the-environment-é") == 200


def test_a_key_comes_in_either_header_and_nowhere_else(server: RunningServer, key: str) -> None:
    url = f"{server.url}/models"
    for headers, expected in (
        ({"x-api-key": key}, 200),
        ({"Authorization": f"bearer  {key}"}, 200),
        ({"Authorization": "Bearer nothing", "x-api-key": key}, 200),
        ({"Authorization": f"Basic {key}"}, 401),
        ({"Authorization": key}, 401),
        ({"Cookie": f"key={key}"}, 401),
    ):
        assert httpx2.get(url, headers=headers).status_code == expected, headers
    refused = httpx2.get(url, params={"api_key": key, "key": key})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert key not in refused.text and "first" not in refused.text
    with openai.OpenAI(base_url=server.url, api_key=key) as client:
        assert client.models.list().data == []


def test_new_and_revoked_keys_are_noticed_within_a_second(server: RunningServer, house: Path) -> None:
    second = key_command(house, "create", "second")[1].strip()
    time.sleep(0.9)
    assert status(server, second) == 200
    assert key_command(house, "revoke", "second")[0] == 0
    time.sleep(0.9)
    assert status(server, second) == 401


def test_a_damaged_file_changes_nothing_while_the_server_runs_and_stops_the_next_start(
    server: RunningServer, house: Path, key: str
) -> None:
    file = keys_file(state(house))
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[: len(whole) // 2])
        time.sleep(0.9)
        assert status(server, key) == 200 and status(server, "") == 401
        ended = run(["lmstudio", "server", "start", "--port", "0"], clean_environment(house))
        assert ended.returncode == 1 and "keys.json" in ended.stderr and "Traceback" not in ended.stderr
        assert key_command(house, "create", "third")[0] == 1
    finally:
        file.write_bytes(whole)
    assert "stay valid" in server.log.read_text()


def test_no_key_is_in_the_log_the_numbers_or_the_command_line(server: RunningServer, house: Path, key: str) -> None:
    httpx2.get(f"{server.url}/models?key={key}", headers={"x-api-key": key})
    numbers = httpx2.get(f"{server.root}/metrics", headers={"x-api-key": key}).text
    command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode()
    journal = (state(house) / "log" / "server.jsonl").read_text()
    for text in (numbers, command, journal, server.log.read_text()):
        assert key not in text and "from-the-environment" not in text
    clients = {json.loads(line).get("client") for line in journal.splitlines()}
    assert {"first", "env", "127.0.0.1"} <= clients


def test_a_wrong_key_takes_as_long_wherever_it_differs(tmp_path: Path) -> None:
    key = create(tmp_path, "one")
    ring = Keyring(keys_file(tmp_path), None)
    early, late = ("x" + key[1:]).encode(), (key[:-1] + "\x00").encode()
    taken: dict[bytes, list[int]] = {early: [], late: []}
    for _ in range(4000):
        for wrong, times in taken.items():
            began = time.perf_counter_ns()
            assert ring.holder([wrong]) is None
            times.append(time.perf_counter_ns() - began)
    first, second = (sorted(times)[len(times) // 2] for times in taken.values())
    assert abs(first - second) < 0.2 * max(first, second)
