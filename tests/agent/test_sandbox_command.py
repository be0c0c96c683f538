"""`vtcode sandbox`, and what happens where no whole sandbox works."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.agent.support import bench, call, results, says
from tests.support.processes import clean_environment, run
from vtcode.sandbox import bubblewrap


@pytest.fixture
def work(home: Path) -> Path:
    folder = home / "work"
    folder.mkdir()
    (folder / ".env").write_text("KEY=1\n")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def sandbox(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["vtcode", "sandbox", *arguments], clean_environment(work.parent), cwd=work)


def test_the_status_tells_the_level_and_what_is_open_and_closed(work: Path) -> None:
    told = json.loads(sandbox(work, "status", "--json").stdout)
    assert (told["level"], told["is_whole"], told["missing"], told["network"]) == ("bubblewrap", True, [], "off")
    assert told["writable"] == [str(work)] and told["read_only"] == [str(work / ".git")]
    assert str(work / ".env") in told["hidden"] and "/tmp" in told["hidden"]
    lines = sandbox(work, "status").stdout.splitlines()
    assert lines[0].split() == ["level", "bubblewrap"] and any("512 processes" in line for line in lines)


def test_a_command_runs_as_a_models_does(work: Path) -> None:
    ended = sandbox(work, "run", "--", "echo out; echo err >&2; echo x > made; echo y > .git/config; exit 7")
    assert (ended.returncode, ended.stdout) == (7, "out\n") and ended.stderr.startswith("err\n")
    assert (work / "made").exists() and "y" not in (work / ".git" / "config").read_text().split()
    assert sandbox(work, "run", "--", "printf", "%s|", "a b", "$HOME").stdout == "a b|$HOME|"
    assert sandbox(work, "run", "--timeout", "0.5", "--", "sleep", "30").returncode == 124
    assert sandbox(work, "run", "--", "kill -9 $$").returncode == 137


def test_a_weaker_level_can_be_tried(work: Path) -> None:
    ended = sandbox(work, "run", "--level", "landlock", "--", "cat .env; touch /etc/made-here || echo kept")
    assert (ended.returncode, ended.stdout) == (0, "KEY=1\nkept\n")


def test_the_flag_is_stronger_than_the_file_of_a_workspace(work: Path) -> None:
    (work / "vtcode.toml").write_text('[sandbox]\nmode = "off"\n')
    ended = sandbox(work, "status", "--json")
    assert json.loads(ended.stdout)["mode"] == "auto"
    assert json.loads(sandbox(work, "status", "--json", "--sandbox", "required").stdout)["mode"] == "required"


def test_required_and_off_by_the_flag_hold_for_a_run(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="cat /proc/self/status | grep Seccomp:"), says("ok")) as b:
        boxed, _ = b.events("go", "--full-auto", "--sandbox", "required")
        assert "Seccomp:\t2" in results(boxed)[0]["text"]
        bare, _ = b.events("go", "--full-auto", "--sandbox", "off")
        assert "Seccomp:\t0" in results(bare)[0]["text"]


# A bubblewrap that does not box ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "fails its self-test (exit status 1)"),
        ("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "setting up uid map: Permission denied"),
        ("kill -SEGV $$", "exit status -11"),
        ("sleep 60", "did not end its self-test within 2 s"),
        ('while [ "$1" != -- ]; do shift; done; shift; exec "$@"', "fails its self-test"),
        ("exit 0", "fails its self-test (exit status 0)"),
    ],
    ids=["fails", "blocked", "crashes", "hangs", "boxes nothing", "does nothing"],
)
def test_a_bubblewrap_that_does_not_box_is_not_taken_for_one(home: Path, script: str, reason: str) -> None:
    program = home / "bwrap"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    assert reason in (bubblewrap.fault(str(program), home) or "")


def test_one_that_is_no_program_is_told(home: Path) -> None:
    (home / "bwrap").write_text("no program")
    assert "could not be started" in (bubblewrap.fault(str(home / "bwrap"), home) or "")
