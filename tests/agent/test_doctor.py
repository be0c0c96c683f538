"""`vtcode doctor`: each thing that can be wrong is found, with its fix."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import fault_server, models, response
from tests.support.processes import RunningServer, clean_environment, run


def doctor(environment: dict[str, str], folder: Path) -> tuple[dict[str, dict[str, Any]], int]:
    ended = run(["vtcode", "doctor", "--json"], environment, cwd=folder)
    assert "Traceback" not in ended.stderr
    return {check["name"]: check for check in json.loads(ended.stdout)}, ended.returncode


def test_when_all_is_well_each_part_says_so(home: Path, real_server: RunningServer) -> None:
    environment = clean_environment(home, {"LMSTUDIO_BASE_URL": real_server.url})
    checks, status = doctor(environment, home)
    plain = run(["vtcode", "doctor"], environment, cwd=home)
    assert status == 0
    names = {"program", "configuration", "server", "key", "model", "context", "sandbox", "search", "state"}
    assert set(checks) == names
    assert [check for check in checks.values() if check["state"] != "ok"] == []
    assert [line.split()[1] for line in plain.stdout.splitlines()] == list(checks)


def test_a_server_that_does_not_answer(home: Path) -> None:
    checks, status = doctor(clean_environment(home, {"LMSTUDIO_BASE_URL": "http://127.0.0.1:9/v1"}), home)
    assert status == 1
    assert checks["server"]["state"] == "failed" and "lmstudio server start" in checks["server"]["fix"]
    assert checks["sandbox"], "what does not need the server is looked at all the same"


@pytest.mark.parametrize(("key", "found"), [("", "none is set"), ("wrong", "does not take it")])
def test_a_key_that_is_missing_or_wrong(home: Path, key: str, found: str) -> None:
    refusal = response(401, b'{"error":{"message":"no"}}')
    with fault_server(b"", listing=refusal) as server:
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url, "LMSTUDIO_API_KEY": key})
        checks, status = doctor(environment, home)
    assert status == 1
    assert found in checks["key"]["found"] and "LMSTUDIO_API_KEY" in checks["key"]["fix"]
    assert "wrong" not in json.dumps(checks), "the key itself is never shown"


def test_a_model_that_the_server_lacks(home: Path) -> None:
    (home / "vtcode.toml").write_text('[agent]\ndefault_model = "three"\n')
    with fault_server(b"", listing=models("one", "two")) as server:
        checks, status = doctor(clean_environment(home, {"LMSTUDIO_BASE_URL": server.url}), home)
    assert status == 1
    assert checks["model"]["state"] == "failed" and "one, two" in checks["model"]["fix"]


def test_a_configuration_that_cannot_be_read(home: Path) -> None:
    (home / "vtcode.toml").write_text("[agent\n")
    checks, status = doctor(clean_environment(home), home)
    assert status == 1
    assert "vtcode.toml, line 1" in checks["configuration"]["fix"]


def test_a_context_that_is_too_short(home: Path) -> None:
    listing = b'{"data":[{"id":"m","loaded_context_length":2048}]}'
    with fault_server(b"", listing=response(200, listing)) as server:
        checks, status = doctor(clean_environment(home, {"LMSTUDIO_BASE_URL": server.url}), home)
    assert status == 0
    assert checks["context"]["state"] == "note" and "2,048" in checks["context"]["found"]


def test_a_state_folder_that_cannot_be_written(home: Path) -> None:
    environment = clean_environment(
        home, {"XDG_STATE_HOME": "/proc/nowhere", "LMSTUDIO_BASE_URL": "http://127.0.0.1:9/v1"}
    )
    checks, _ = doctor(environment, home)
    assert checks["state"]["state"] == "note" and "XDG_STATE_HOME" in checks["state"]["fix"]


def test_hostile_names_cannot_touch_the_terminal(home: Path) -> None:
    listing = json.dumps({"data": [{"id": "\x1b[2Jm"}]}).encode()
    with fault_server(b"", listing=response(200, listing)) as server:
        ended: subprocess.CompletedProcess[str] = run(
            ["vtcode", "doctor"], clean_environment(home, {"LMSTUDIO_BASE_URL": server.url}), cwd=home
        )
    assert "\x1b" not in ended.stdout and "[2Jm" in ended.stdout
