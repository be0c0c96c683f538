"""What a command makes under a name that only the user may, and secrets at any depth."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.support import bench, call, results, says
from tests.support.processes import clean_environment, run
from vtcode.sandbox.findings import find
from vtcode.tools.planted import cleared

PLANTS = {
    "a file": "echo 'tools.default_policy = \"deny\"' > vtcode.toml",
    "a folder": "mkdir -p .vtcode/prompts && echo x > .vtcode/prompts/a.md",
    "a repository": "git init -q . && git config core.fsmonitor 'touch ../made'",
    "a link": "ln -s /etc/passwd AGENTS.md",
    "a link to nothing": "ln -s /nowhere .envrc",
    "a pipe": "mkfifo .mcp.json",
    "one behind another name": "echo x > a; mv a .envrc; ln .envrc b",
    "after the time is up": "echo x > .envrc; sleep 60",
    "left running": "(setsid sh -c 'sleep 0.3; echo x > .envrc' &); echo x > .vscode",
}


@pytest.mark.parametrize("command", list(PLANTS.values()), ids=list(PLANTS))
def test_what_a_command_plants_is_taken_away_and_told(home: Path, command: str) -> None:
    names = ("vtcode.toml", ".vtcode", ".git", "AGENTS.md", ".envrc", ".mcp.json", ".vscode")
    with bench(home, call("run_terminal_cmd", command=command, timeout=2), says("ok")) as b:
        events, _ = b.events("go", "--full-auto")
        time.sleep(0.5)
        (result,) = results(events)
        assert result["status"] == "error" and "Commands cannot make these" in result["text"]
        assert [name for name in names if os.path.lexists(b.workspace / name)] == []
        kept = home / ".local" / "state" / "vtcode" / "refused"
        assert [path.name for path in kept.glob("*/*")], "nothing is lost: the user can look at it"


def test_a_background_command_plants_nothing_either(home: Path) -> None:
    planting = call("run_terminal_cmd", command="echo x > .envrc; sleep 1", background=True)
    with bench(home, planting, call("command_output", id=1, stop=True), says("ok")) as b:
        b.events("go", "--full-auto")
        assert not (b.workspace / ".envrc").exists()


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("mine")
    with cleared(tmp_path, tmp_path / "aside") as planted:
        (tmp_path / "AGENTS.md").write_text("mine, changed by the user meanwhile")
    assert planted.sentence == "" and (tmp_path / "AGENTS.md").exists()


def test_where_it_cannot_be_put_it_is_left_and_told(tmp_path: Path) -> None:
    (tmp_path / "aside").write_text("a file where the folder should be")
    with cleared(tmp_path, tmp_path / "aside") as planted:
        (tmp_path / ".envrc").write_text("x")
    assert planted.left == [".envrc"] and "do not trust it" in planted.sentence and (tmp_path / ".envrc").exists()


# At any depth -------------------------------------------------------------------------------------------


def test_secrets_and_repositories_at_any_depth_are_closed(home: Path) -> None:
    work = home / "work"
    deep = work / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / ".env").write_text("SECRET-1")
    (deep / "server.pem").write_text("SECRET-2")
    (deep / ".ssh").mkdir()
    (deep / ".ssh" / "config").write_text("SECRET-3")
    (deep / "AGENTS.md").write_text("notes")
    subprocess.run(["git", "init", "-q", str(deep / "inner")], check=True)
    line = "cat $(find . -type f) 2>/dev/null; cd a/b/c; echo x >> inner/.git/config; echo x >> AGENTS.md; mv .ssh x"
    ended = run(["vtcode", "sandbox", "run", "--", line], clean_environment(home), cwd=work)
    assert "SECRET" not in ended.stdout and "notes" in ended.stdout
    assert "x" not in (deep / "inner" / ".git" / "config").read_text().split()
    assert (deep / "AGENTS.md").read_text() == "notes" and (deep / ".ssh" / "config").exists()


def test_a_change_between_two_looks_is_seen(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find(tmp_path).secret_files == ()
    for number in range(20):
        (deep / f".env{number}").write_text("x")
        assert len(find(tmp_path).secret_files) == number + 1
    time.sleep(0.2)
    assert len(find(tmp_path).secret_files) == 20
    (deep / ".env0").rename(deep / "plain")
    assert len(find(tmp_path).secret_files) == 19


def test_links_are_not_followed_and_a_huge_workspace_is_looked_through_in_bounds(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "out").symlink_to("/")
    wide = tmp_path / "wide"
    wide.mkdir()
    for number in range(1_500):
        (wide / f"{number}.pem").touch()
    found = find(tmp_path)
    assert len(found.secret_files) < 1_500 and not found.is_whole


def test_the_environment_that_programs_are_run_from_is_read_only(home: Path) -> None:
    work = home / "work"
    (work / ".venv" / "bin").mkdir(parents=True)
    (work / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    environment = clean_environment(home) | {"VIRTUAL_ENV": str(work / ".venv")}
    ended = run(["vtcode", "sandbox", "run", "--", "echo x > .venv/bin/ls || echo kept"], environment, cwd=work)
    assert ended.stdout == "kept\n" and not (work / ".venv" / "bin" / "ls").exists()
