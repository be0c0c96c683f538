"""Listing and searching files."""

import asyncio
import os
import stat
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from tests.agent.tools import Toolbox
from vtcode.tools.search import workspace_files
from vtcode.tools.spool import Spool


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    root = tmp_path / "work"
    root.mkdir()
    return Toolbox(root)


# Listing ------------------------------------------------------------------------------------------------


def test_files_are_listed_beneath_the_root_and_ignored_ones_are_not(box: Toolbox) -> None:
    for name in ("b.py", "a/x.py", "a/y.log", "node_modules/m.js", ".github/ci.yml", "c/.git/config", "c/z.py"):
        box.write(name, "")
    box.write(".gitignore", "*.log\nnode_modules/\n")
    outcome = box.run("list_files")
    assert outcome.text.split("\n") == [".github/ci.yml", ".gitignore", "a/x.py", "b.py", "c/z.py"]
    assert outcome.summary == "5 files"
    assert box.run("list_files", path="a").text == "a/x.py"
    assert box.run("list_files", path="./a/").text == "a/x.py"


def test_ignore_rules_hold_in_a_repository_and_its_folders(box: Toolbox) -> None:
    subprocess.run(["git", "init", "-q", str(box.root)], check=True)
    box.write(".gitignore", "/deep/out/\n")
    box.write("deep/.gitignore", "*.tmp\n")
    for name in ("deep/a.py", "deep/a.tmp", "deep/out/o", "deep/er/b.py", "deep/er/b.tmp"):
        box.write(name, "")
    assert box.run("list_files", path="deep").text.split("\n") == ["deep/.gitignore", "deep/a.py", "deep/er/b.py"]


def test_ignore_files_above_the_workspace_do_not_hide_it(box: Toolbox) -> None:
    (box.root.parent / ".gitignore").write_text("*\n")
    box.write("a.py", "")
    assert box.run("list_files").text == "a.py"


def test_a_large_folder_is_summed_up(box: Toolbox) -> None:
    for n in range(300):
        box.write(f"a/{n:03}.txt", "")
        box.write(f"b/c/{n:03}.txt", "")
    lines = box.run("list_files").text.split("\n")
    assert lines[:2] == ["a/000.txt", "a/001.txt"] and len(lines) == 201
    assert lines[-1] == "[200 of 600 files; list one of these folders: a (300), b (300)]"
    assert box.run("list_files", path="b").text.endswith("[200 of 300 files; list one of these folders: b/c (300)]")
    assert box.run("list_files", path="a").text.endswith("\n[200 of 300 files]")


def test_a_listing_stays_within_the_limit(box: Toolbox) -> None:
    for n in range(150):
        box.write(f"{n:03}{'x' * 60}.txt", "")
    text = box.run("list_files").text
    assert len(text) <= box.context.output_limit
    assert text.split("\n")[-1].endswith("of 150 files]")


def test_odd_names_are_shown_on_a_line_of_their_own(box: Toolbox) -> None:
    for name in ("-dash", "two\nlines", "esc\x1b[2J", " blank"):
        box.write(name, "needle")
    assert box.run("list_files").text.split("\n") == [" blank", "-dash", "esc\\x1b[2J", "two\\nlines"]
    assert box.run("list_files", path="-dash").text == "-dash"
    assert box.run("grep_file", pattern="needle", path="-dash").text == "-dash:1:needle"
    assert len(box.run("grep_file", pattern="needle").text.split("\n")) == 4


@pytest.mark.parametrize("path", ["..", "/etc", "missing", "out"])
def test_no_place_outside_or_missing_is_searched(box: Toolbox, path: str) -> None:
    (box.root / "out").symlink_to(box.root.parent)
    (box.root.parent / "secret.txt").write_text("needle")
    for outcome in (box.run("list_files", path=path), box.run("grep_file", pattern="needle", path=path)):
        assert not outcome.ok and "secret" not in outcome.text
    assert "secret" not in box.run("grep_file", pattern="needle").text


def test_an_empty_folder_is_no_failure(box: Toolbox) -> None:
    outcome = box.run("list_files")
    assert outcome.ok and outcome.text == "There are no files in the workspace."


def test_the_files_for_the_model_are_bounded_and_sorted(box: Toolbox) -> None:
    for name in ("b", "a/x", "a/y"):
        box.write(name, "")
    assert asyncio.run(workspace_files(box.context.workspace)) == ("a/x", "a/y", "b")
    assert asyncio.run(workspace_files(box.context.workspace, most=2)) == ("a/x", "a/y")


# Searching ----------------------------------------------------------------------------------------------


def test_matches_come_with_path_and_line(box: Toolbox) -> None:
    box.write("b.py", "x\nneedle = 1\r\n")
    box.write("a/x.py", "a needle\n")
    box.write(".github/ci.yml", "needle")
    box.write("bin", b"needle\0")
    outcome = box.run("grep_file", pattern="need.e")
    assert outcome.text.split("\n") == [".github/ci.yml:1:needle", "a/x.py:1:a needle", "b.py:2:needle = 1"]
    assert outcome.summary == "3 matches in 3 files"
    assert box.run("grep_file", pattern="needle", path="b.py").text == "b.py:2:needle = 1"
    assert box.run("grep_file", pattern="needle", path="bin").text.startswith("bin: binary file matches")


def test_no_match_is_an_answer(box: Toolbox) -> None:
    box.write("a", "x")
    outcome = box.run("grep_file", pattern="needle")
    assert (outcome.ok, outcome.text) == (True, "No match for needle in the workspace.")


@pytest.mark.parametrize("pattern", ["f(", "[", "*", "(?<=x)y", "a{99999}{99999}"])
def test_a_bad_pattern_is_told_with_the_remedy(box: Toolbox, pattern: str) -> None:
    box.write("a", "x")
    outcome = box.run("grep_file", pattern=pattern)
    assert not outcome.ok
    assert "regex" in outcome.text and "put \\ before" in outcome.text


@pytest.mark.parametrize(
    "pattern", ["--pre=touch made", "-e", "--files", "-f/etc/passwd", "; touch made", "$(touch made)"]
)
def test_a_pattern_is_never_an_option_or_a_command(box: Toolbox, pattern: str) -> None:
    box.write("a", "x")
    box.run("grep_file", pattern=pattern)
    assert os.listdir(box.root) == ["a"]


def test_a_pattern_with_nul_is_an_outcome(box: Toolbox) -> None:
    assert not box.run("grep_file", pattern="a\0b").ok


def test_many_and_long_matches_are_cut_with_a_count(box: Toolbox) -> None:
    box.write("a", "needle\n" * 5000)
    outcome = box.run("grep_file", pattern="needle")
    assert outcome.text.endswith("[100 of 5,000 matches. Narrow the pattern or the path to see others.]")
    box.write("a", ("needle" + "x" * 5_000_000 + "\n") * 20)
    outcome = box.run("grep_file", pattern="needle")
    assert len(outcome.text) <= box.context.output_limit + 400
    assert "of 20 matches" in outcome.text


def test_secrets_are_searched_only_by_their_name(box: Toolbox) -> None:
    for name in (".env", "sub/.ENV.local", "server.pem", ".aws/credentials", "plain.txt"):
        box.write(name, "needle")
    assert box.run("grep_file", pattern="needle").text == "plain.txt:1:needle"
    assert box.run("grep_file", pattern="needle", path=".env").text == ".env:1:needle"


def test_a_configuration_in_the_environment_runs_nothing(box: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    script = box.root.parent / "script"
    script.write_text(f"#!/bin/sh\ntouch {box.root}/made\n")
    script.chmod(stat.S_IRWXU)
    configured = box.root.parent / "ripgreprc"
    configured.write_text(f"--pre={script}\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(configured))
    box.write("a", "needle")
    assert box.run("grep_file", pattern="needle").text == "a:1:needle"
    assert os.listdir(box.root) == ["a"]


def test_a_search_that_is_cancelled_leaves_no_process(box: Toolbox) -> None:
    box.write("big", "x" * 1000 + "\n")
    with (box.root / "big").open("ab") as file:
        for _ in range(200):
            file.write(b"abcdefgh\n" * 100_000)

    async def cancel_soon() -> None:
        call = asyncio.create_task(box.call("grep_file", pattern="(a.*b.*c.*d.*){3}zz"))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    started = time.monotonic()
    asyncio.run(cancel_soon())
    assert time.monotonic() - started < 3
    left = subprocess.run(["pgrep", "-f", "zz.*--.*[.]/"], capture_output=True, text=True, check=False).stdout
    assert left == ""


# Ignore files of our own, and what stands in the way ----------------------------------------------------


@pytest.mark.parametrize("name", [".vtcodeignore", ".vtcodegitignore", ".ignore"])
@pytest.mark.parametrize("is_repository", [True, False])
def test_ignored_files_are_left_out_everywhere_but_can_be_named(
    box: Toolbox, name: str, *, is_repository: bool
) -> None:
    if is_repository:
        subprocess.run(["git", "init", "-q", str(box.root)], check=True)
    box.write(name, "*.gen\n!keep.gen\n/build/\n")
    for path in ("a.py", "a.gen", "sub/b.gen", "sub/c.py", "keep.gen", "build/x.py", "sub/build/y.py"):
        box.write(path, "needle\n")
    shown = {"a.py", "keep.gen", "sub/build/y.py", "sub/c.py"}
    assert set(box.run("list_files").text.split("\n")) == shown | {name}
    assert {line.partition(":")[0] for line in box.run("grep_file", pattern="needle").text.split("\n")} == shown
    assert set(asyncio.run(workspace_files(box.context.workspace))) == shown | {name}
    assert set(box.run("list_files", path="sub").text.split("\n")) == {"sub/build/y.py", "sub/c.py"}
    assert box.run("grep_file", pattern="needle", path="sub/b.gen").text == "sub/b.gen:1:needle"
    assert box.run("read_file", path="build/x.py").text == "needle"


@pytest.mark.parametrize("name", [".gitignore", ".ignore", ".vtcodeignore", "sub/.gitignore"])
def test_an_ignore_file_that_is_a_pipe_is_told_at_once(box: Toolbox, name: str) -> None:
    box.write("sub/a.py", "x\n")
    os.mkfifo(box.root / name)
    started = time.monotonic()
    outcome = box.run("list_files", path="sub")
    assert (outcome.ok, outcome.text) == (
        False,
        f"The ignore file {name} is not a regular file. Remove it, then search again.",
    )
    if "/" not in name:
        assert asyncio.run(workspace_files(box.context.workspace)) == ()
    assert time.monotonic() - started < 1


def test_files_on_their_way_are_not_listed(box: Toolbox) -> None:
    box.write("a.py", "x\n")
    box.write(".vtcode-0123456789abcdef.tmp", "x\n")
    assert box.run("list_files").text == "a.py"
    assert box.run("grep_file", pattern="x").text == "a.py:1:x"


def test_a_whole_output_that_was_kept_is_searched_by_its_name(box: Toolbox, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "kept")
    name = spool.keep("".join(f"line {n}\n" for n in range(5000)).encode())
    box.context = msgspec.structs.replace(box.context, spool=spool)
    box.write(".ignore", "*\n")
    assert name == "@output/1"
    assert box.run("grep_file", pattern="4321$", path=name).text == "@output/1:4322:line 4321"
    assert box.run("grep_file", pattern="absent", path=name).text == "No match for absent in @output/1."
    assert not box.run("grep_file", pattern="line", path="@output/2").ok
    assert not box.run("grep_file", pattern="line", path="@output/../1").ok


def test_one_enormous_line_is_searched_within_seconds(box: Toolbox) -> None:
    with box.write("one", "").open("wb") as file:
        for _ in range(20):
            file.write(b"word " * 2_000_000)
        file.write(b"needle")
    started = time.monotonic()
    text = box.run("grep_file", pattern="needle", path="one").text
    assert text.startswith("one:1:") and len(text) < 1000
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("tool", "more"), [("grep_file", {"pattern": "x"}), ("list_files", {})])
def test_a_pipe_is_not_searched(box: Toolbox, tool: str, more: dict[str, str]) -> None:
    os.mkfifo(box.root / "pipe")
    started = time.monotonic()
    outcome = box.run(tool, path="pipe", **more)
    assert (outcome.ok, outcome.text) == (False, "pipe is neither a file nor a folder.")
    assert time.monotonic() - started < 1


def test_a_pattern_of_a_megabyte_is_refused_in_words(box: Toolbox) -> None:
    outcome = box.run("grep_file", pattern="x" * 1_000_000)
    assert (outcome.ok, outcome.summary) == (
        False,
        "The pattern is longer than 10,000 characters. Search for a part of it.",
    )
