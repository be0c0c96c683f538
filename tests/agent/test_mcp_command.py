"""`vtcode mcp`: servers added to the file of the user, and removed."""

import sys
import tomllib
from pathlib import Path

import pytest

from tests.agent.mcphome import SERVER, Home
from tests.support.processes import REPOSITORY


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path.resolve())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x"), "Give either --url, or the command"),
        (("add", "x", "--url", "https://a.example/mcp", "--", "cmd"), "Give either --url, or the command"),
        (("add", "x", "--url", "ftp://a.example"), "Expected an address"),
        (("add", "x", "--url", "https://me:secret@a.example"), "Expected an address"),
        (("add", "x", "--env", "A", "--", "cmd"), "Expected --env NAME=VALUE"),
        (("add", "x", "--api-key-env", "A", "--", "cmd"), "--api-key-env belongs to --url"),
        (("add", "\x1b[31m", "--", "cmd"), "The name of a server"),
        (("remove", "x"), "there is no table [mcp.servers.x]"),
        (("approve", "x"), "There is no MCP server x. None is configured."),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(home: Home, arguments: tuple[str, ...], said: str) -> None:
    ended = home.mcp(*arguments)
    assert ended.returncode == 2 and said in ended.stderr and len(ended.stderr.splitlines()) == 1
    assert not home.file.exists()


BEFORE = "# mine\n[agent]\nmax_turns = 7   # a few\n# the end\n"


def test_a_server_is_added_to_the_file_of_the_user_approved_and_removed(home: Home) -> None:
    home.write(BEFORE)
    added = home.mcp("add", "adder", *SERVER)
    assert added.returncode == 0, added.stderr
    assert "add: Add two numbers" in added.stderr and "Approved adder." in added.stderr
    assert home.file.read_text().startswith(f"{BEFORE}\n[mcp.servers.adder]\ncommand = ")
    assert tomllib.loads(home.file.read_text())["mcp"]["servers"]["adder"] == {
        "command": sys.executable,
        "args": ["-m", "tests.support.mcp_server"],
        "env": {"PYTHONPATH": str(REPOSITORY)},
    }
    again = home.mcp("add", "adder", *SERVER)
    assert again.returncode == 1 and "there is a table [mcp.servers.adder] already" in again.stderr
    assert home.mcp("remove", "adder").returncode == 0
    assert home.file.read_text() == f"{BEFORE}\n"


def test_a_server_that_cannot_be_started_is_added_and_not_approved(home: Home) -> None:
    ended = home.mcp("add", "x", "--", "/nonexistent/server")
    assert ended.returncode == 2 and "there is no program" in ended.stderr and "vtcode mcp approve x" in ended.stderr
    assert "[mcp.servers.x]" in home.file.read_text()
    assert not (home.workspace.parent / ".local" / "state" / "vtcode" / "mcp.json").exists()
