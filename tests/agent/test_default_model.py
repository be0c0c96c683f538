"""The main job with the real default model: nothing scripted."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY, clean_environment, run

ORCHARD = REPOSITORY / "examples" / "orchard"


@pytest.fixture
def environment(models: Path, home: Path) -> dict[str, str]:
    # No base URL: nothing answers at the default address in CI, so the embedded server is started.
    return clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})


def test_the_project_name_is_read_from_the_file(environment: dict[str, str]) -> None:
    task = "What is the project name in pyproject.toml?"
    ended = run(["vtcode", "exec", "--embedded", task], environment, cwd=ORCHARD)
    assert ended.returncode == 0, ended.stderr
    assert '→ read_file {"path": "pyproject.toml"}' in ended.stderr
    assert "orchard" in ended.stdout


def test_the_answer_follows_the_file_and_not_the_test(environment: dict[str, str], tmp_path: Path) -> None:
    for name in ("lighthouse", "quarry"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "3.1"\n')
        task = "What is the project name in pyproject.toml?"
        ended = run(["vtcode", "exec", "--embedded", task], environment, cwd=folder)
        assert name in ended.stdout, ended


@pytest.fixture
def orchard(tmp_path: Path) -> Path:
    """A copy in which one line makes the project's own tests fail."""
    folder = shutil.copytree(ORCHARD, tmp_path / "orchard", ignore=shutil.ignore_patterns("__pycache__"))
    stock = folder / "orchard" / "stock.py"
    stock.write_text(stock.read_text().replace("MAX_CRATES = 40", "MAX_CRATES = 30"))
    return folder


def test_one_line_is_changed_and_nothing_else(environment: dict[str, str], orchard: Path) -> None:
    def unittest() -> int:
        return subprocess.run([sys.executable, "-B", "-m", "unittest"], cwd=orchard, capture_output=True).returncode

    assert unittest() != 0
    task = "Set MAX_CRATES to 40 in orchard/stock.py"
    ended = run(["vtcode", "exec", "--embedded", "--full-auto", task], environment, cwd=orchard)
    assert ended.returncode == 0, ended.stderr
    changed = {
        path: path.read_text() for path in orchard.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert changed == {path: (ORCHARD / path.relative_to(orchard)).read_text() for path in changed}
    assert unittest() == 0


def test_a_command_is_run_and_its_end_is_told(environment: dict[str, str], orchard: Path) -> None:
    task = "Run python3 -m unittest and tell me how it ended"
    ended = run(["vtcode", "exec", "--embedded", "--full-auto", task], environment, cwd=orchard)
    assert '→ run_terminal_cmd {"command": "python3 -m unittest"}' in ended.stderr
    assert "FAILED (failures=1)" in ended.stdout


@pytest.mark.parametrize("said", ["Thanks, that was great!", "hello"])
def test_small_talk_is_answered_without_a_call(environment: dict[str, str], said: str) -> None:
    ended = run(["vtcode", "exec", "--embedded", said], environment, cwd=ORCHARD)
    assert ended.returncode == 0 and ended.stdout.strip()
    assert "→" not in ended.stderr


def test_the_second_step_reads_only_what_is_new(environment: dict[str, str]) -> None:
    task = "What is the project name in pyproject.toml?"
    ended = run(["vtcode", "exec", "--embedded", "--json", task], environment, cwd=ORCHARD)
    replies = [e["message"] for e in map(json.loads, ended.stdout.splitlines()) if e["type"] == "message.finished"]
    first, second = (reply["usage"] for reply in replies)
    assert second["cached"] >= first["prompt"] - 8


def test_the_server_that_was_started_is_stopped(environment: dict[str, str]) -> None:
    # Sampled as servers do by default, so small a model now and then never comes to an end.
    config = Path(environment["HOME"]) / "greedy.toml"
    config.write_text("[agent]\ntemperature = 0.0\n")
    ended = run(["vtcode", "ask", "--embedded", "--config", str(config), "Say hello."], environment, cwd=ORCHARD)
    assert ended.returncode == 0 and ended.stdout.strip()
    log = Path(environment["XDG_STATE_HOME"]) / "vtcode" / "server.log"
    assert "lmstudio" in log.read_text()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "environ").read_bytes()
        except OSError:
            continue
        assert environment["HOME"].encode() not in seen, (process / "cmdline").read_bytes()
