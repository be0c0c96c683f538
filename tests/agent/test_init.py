"""`vtcode init`: what it writes, and what it leaves alone."""

import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.agent.desk import Desk
from tests.agent.support import GUIDE, bench, call, says
from tests.support.processes import run
from vtcode.init import agents_text, config_text
from vtcode.settings import Settings


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_written_file_says_what_the_guides_does_and_loads_without_a_warning(desk: Desk) -> None:
    ended = desk.vtcode("init")
    assert ended.returncode == 0 and ended.stdout == ""
    assert f"Wrote {desk.root}/vtcode.toml." in ended.stderr and f"Wrote {desk.root}/AGENTS.md." in ended.stderr
    assert desk.load().warnings == ()
    chosen = re.sub(
        r"(?m)^# (default_model = |\[tools\]$|default_policy = )", r"\1", (desk.root / "vtcode.toml").read_text()
    )
    assert tomllib.loads(chosen) == tomllib.loads(GUIDE)


def test_the_written_file_changes_nothing_that_holds_until_it_is_edited(home: Path) -> None:
    with bench(home, call("list_files", path="."), says("It is empty.")) as b:
        before = json.loads(run(["vtcode", "config", "show", "--json"], b.environment, cwd=b.workspace).stdout)
        assert run(["vtcode", "init"], b.environment, cwd=b.workspace).returncode == 0
        after = json.loads(run(["vtcode", "config", "show", "--json"], b.environment, cwd=b.workspace).stdout)
        assert {key: shown["value"] for key, shown in after.items()} == {
            key: shown["value"] for key, shown in before.items()
        }
        ended = b.exec("What is here?")
    assert ended.returncode == 0 and "It is empty." in ended.stdout


def test_every_default_that_is_uncommented_changes_nothing(desk: Desk) -> None:
    lines = [
        line.removeprefix("# ")
        for line in config_text().splitlines()
        if re.match(r"# (\[[a-z]+\]$|[a-z_]+ = (?!\(unset))", line)
    ]
    # Of tables with names of one's own only the plain ones can stand as they are.
    tables = re.split(r"(?m)^(?=\[)", "\n".join(lines))
    plain = [table for table in tables if re.match(r"\[(context|sandbox|ui)\]", table)]
    desk.workspace("\n".join(plain))
    settings = desk.load()
    assert len(plain) == 3 and settings.warnings == () and "context.compact_at" in settings.sources
    assert (settings.context, settings.sandbox, settings.ui) == (
        Settings().context,
        Settings().sandbox,
        Settings().ui,
    )


def test_nothing_is_overwritten_without_force(desk: Desk) -> None:
    agents = desk.workspace("mine", "AGENTS.md")
    ended = desk.vtcode("init")
    assert ended.returncode == 0 and f"Kept {agents}" in ended.stderr
    assert agents.read_text() == "mine"
    again = desk.vtcode("init")
    assert again.returncode == 2 and "--force" in again.stderr
    assert desk.vtcode("init", "--force").returncode == 0
    assert agents.read_text().startswith("# Notes for agents")


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (
            {"Cargo.toml": "", "src/main.rs": "", "tests/a.rs": ""},
            ["Written in Rust.", "Test: `cargo test`.", "`src/`: the code.", "`tests/`: tests."],
        ),
        ({"pyproject.toml": "[tool.pytest]\n[tool.ruff]\n", "a.py": ""}, ["Check: `ruff check`.", "Test: `pytest`."]),
        (
            {
                "package.json": '{"scripts": {"test": "x", "build": "y"}}',
                "pnpm-lock.yaml": "",
                "a.ts": "",
                "b.js": "",
            },
            ["Written in JavaScript and TypeScript.", "Build: `pnpm run build`.", "Test: `pnpm test`."],
        ),
        (
            {"go.mod": "", "Makefile": "test:\n\techo\n", "x.go": ""},
            ["Test: `make test`.", "Build: `go build ./...`."],
        ),
        ({"scripts/test": "", "node_modules/x/y.js": ""}, ["Test: `scripts/test`."]),
        ({}, ["Test: (say how the tests are run)."]),
    ],
)
def test_the_draft_says_what_the_repository_shows(desk: Desk, files: dict[str, str], lines: list[str]) -> None:
    for name, text in files.items():
        desk.workspace(text, name)
    draft = agents_text(desk.root)
    for line in lines:
        assert f"- {line}\n" in draft
    assert "node_modules" not in draft and ("JavaScript" in draft) == ("b.js" in files)


def test_a_hostile_repository_is_drawn_too(desk: Desk) -> None:
    os.mkfifo(desk.root / "package.json")
    (desk.root / "Makefile").symlink_to("/dev/zero")
    desk.workspace("[" * 100_000, "pyproject.toml")
    assert "Test: (say" in agents_text(desk.root)
