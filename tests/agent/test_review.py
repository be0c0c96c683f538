"""`vtcode review`: what it looks at, and that it only looks."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.agent.support import Bench, bench, call, results, says
from tests.support.processes import run
from vtcode.review import Changes, task

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]


def git(b: Bench, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=b.workspace, env=b.environment, check=True, capture_output=True)


def review(b: Bench, *arguments: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    ended = run(["vtcode", "review", "--json", *arguments], b.environment, cwd=b.workspace)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    asked = [event["text"] for event in events if event["type"] == "turn.started"]
    return asked[0] if asked else "", ended


def test_uncommitted_changes_are_reviewed_new_files_too(home: Path) -> None:
    with bench(home, says("a.py:1 is wrong.")) as b:
        git(b, "init")
        b.write("a.py", "one\n")
        b.write(".gitignore", "ignored\n")
        git(b, "add", ".")
        git(b, "commit", "-m", "first")
        b.write("a.py", "two\n")
        b.write("new file.py", "three\n")
        b.write("ignored", "four\n")
        asked, ended = review(b)
        plain = run(["vtcode", "review", "-q"], b.environment, cwd=b.workspace)
    assert ended.returncode == 0
    assert "-one" in asked and "+two" in asked and "+three" in asked and "four" not in asked
    assert plain.stdout == "a.py:1 is wrong.\n"


def test_a_range_of_revisions_is_reviewed(home: Path) -> None:
    with bench(home, says("fine")) as b:
        git(b, "init")
        for text in ("one\n", "two\n", "three\n"):
            b.write("a.py", text)
            git(b, "add", ".")
            git(b, "commit", "-m", text)
        asked, _ = review(b, "HEAD~2..HEAD~1")
        _, unknown = review(b, "nonsense")
        _, option = review(b, "--", "--output=made")
        assert not (b.workspace / "made").exists()
    assert "-one" in asked and "+two" in asked and "three" not in asked
    assert unknown.returncode == 2 and "nonsense" in unknown.stderr
    assert option.returncode == 2 and "range" in option.stderr


def test_a_repository_without_a_commit_can_be_reviewed(home: Path) -> None:
    with bench(home, says("fine")) as b:
        git(b, "init")
        b.write("a.py", "one\n")
        asked, ended = review(b)
    assert ended.returncode == 0 and "+one" in asked


def test_without_changes_nothing_is_asked(home: Path) -> None:
    with bench(home, says("fine")) as b:
        git(b, "init")
        ended = run(["vtcode", "review"], b.environment, cwd=b.workspace)
    assert ended.returncode == 0 and "no changes" in ended.stdout


def test_outside_a_repository_the_reason_is_told(home: Path) -> None:
    with bench(home, says("fine")) as b:
        _, ended = review(b)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("vtcode: git could not tell the changes: not a git repository") and "\\n" not in line


@pytest.mark.parametrize("tool", ["write_file", "run_terminal_cmd"])
def test_a_review_changes_nothing_whatever_the_policies(home: Path, tool: str) -> None:
    arguments = {"command": "echo x > made"} if tool == "run_terminal_cmd" else {"path": "made", "content": "x"}
    with bench(home, call(tool, **arguments), says("done")) as b:
        git(b, "init")
        b.write("vtcode.toml", f'[tools.policies]\n{tool} = "allow"\n')
        ended = run(["vtcode", "review", "--full-auto", "--json"], b.environment, cwd=b.workspace)
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        assert not (b.workspace / "made").exists()
    assert [result["status"] for result in results(events)] == ["denied"]


def test_programs_that_the_repository_names_stay_in_the_box(home: Path) -> None:
    with bench(home, says("fine")) as b:
        git(b, "init")
        b.write("a.py", "one\n")
        b.write(".gitattributes", "*.py diff=evil filter=evil\n")
        git(b, "add", ".")
        git(b, "commit", "-m", "first")
        outside = home / "canary"
        for name in ("core.fsmonitor", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "core.pager"):
            git(b, "config", name, f"touch {outside}; cat")
        b.write("a.py", "two\n")
        asked, _ = review(b)
    assert "+two" in asked
    assert not outside.exists()


def test_what_does_not_fit_is_named() -> None:
    small, large = "diff --git a/s b/s\n+x", "diff --git a/big.py b/big.py\n" + "+y\n" * 9000
    said = task(Changes((large, small)), 4096)
    assert small in said and "big.py" in said and "+y" not in said
    assert len(said) < 4096 * 2
    cut = task(Changes((large,)), 4096)
    assert "+y" in cut and "[cut here]" in cut and len(cut) < 4096 * 2
