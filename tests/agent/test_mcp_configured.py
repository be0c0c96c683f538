"""Servers of [mcp] in commands and in runs: listed, approved, called as their policies say."""

import json
from pathlib import Path

import pytest

from tests.agent.mcphome import SERVER, Home
from tests.agent.support import bench, call, results, says


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path.resolve())


BEFORE = '# mine\n[agent]\nmax_turns = 7   # a few\n\n[ui]\ncolor = "never"\n# the end\n'


def test_a_server_is_added_approved_listed_and_removed(home: Home) -> None:
    home.write(BEFORE)
    added = home.mcp("add", "adder", *SERVER)
    assert added.returncode == 0, added.stderr
    assert "add: Add two numbers" in added.stderr and "Approved adder." in added.stderr
    assert home.file.read_text().startswith(f"{BEFORE}\n[mcp.servers.adder]\ncommand = ")
    listed = home.mcp("list", "--json")
    (row,) = json.loads(listed.stdout)
    assert (row["name"], row["state"], row["approved"]) == ("adder", "ready", True)
    first = row["tools"][0]
    assert first == {"name": "mcp__adder__add", "description": "Add two numbers", "policy": "prompt"}
    assert "mcp__adder__add  prompt  Add two numbers" in home.mcp("list").stdout
    removed = home.mcp("remove", "adder")
    assert removed.returncode == 0
    assert home.file.read_text() == f"{BEFORE}\n"
    assert home.mcp("list").stdout == "" and json.loads(home.mcp("list", "--json").stdout) == []


def test_an_entry_written_by_hand_has_to_be_approved(home: Home) -> None:
    home.mcp("add", "adder", *SERVER)
    home.file.write_text(
        home.file.read_text().replace('"tests.support.mcp_server"', '"tests.support.mcp_server", "--stderr", "1"')
    )
    (row,) = json.loads(home.mcp("list", "--json").stdout)
    assert not row["approved"] and row["tools"] == [] and "vtcode mcp approve adder" in row["state"]
    nobody = home.mcp("approve", "adder")
    assert nobody.returncode == 2 and "--yes" in nobody.stderr
    assert home.mcp("approve", "adder", "--yes").returncode == 0
    (row,) = json.loads(home.mcp("list", "--json").stdout)
    assert row["state"] == "ready"


def test_a_tool_of_a_server_is_called_in_a_run_as_its_policy_says(tmp_path: Path) -> None:
    asks = call("mcp__adder__add", a=2, b=3)
    with bench(tmp_path.resolve(), asks, says("Denied."), asks, says("Five.")) as it:
        home = Home(tmp_path.resolve())
        home.mcp("add", "adder", *SERVER)
        denied, ended = it.events("add them")
        assert ended.returncode == 3 and results(denied)[0]["status"] == "denied"
        with home.file.open("a") as file:
            file.write('[tools.policies]\nmcp__adder__add = "allow"\n')
        allowed, ended = it.events("add them")
    assert ended.returncode == 0, ended.stderr
    assert results(allowed)[0]["text"] == "5"
    (started,) = (event for event in allowed if event["type"] == "tool.started")
    assert "tools.policies.mcp__adder__add" in started["rule"]
