"""Changing a TOML file without touching what else stands in it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtcode.tomledit import TomlError, replace_text, with_table, without_table

PATH = ("mcp", "servers", "new")
KEYS = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.text(max_size=8) | st.integers(-(2**60), 2**60) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "[agent]\nmax_turns = 3",
        "[mcp]\nenabled = true\n\n[mcp.servers.old]\ncommand = 'x' # kept\n",
        "a = '''\n[mcp.servers.new]\n'''\n",
        "[[custom_providers]]\nname = 'x'\n",
        "[mcp.servers.new2]\r\nurl = 'x'\r\n",
    ],
)
def test_a_table_is_added_at_the_end_and_taken_out_again(text: str) -> None:
    values: dict[str, Any] = {"command": "a b", "args": ["-x", 'q"uo\\te'], "env": {"A": "1", "odd key": "ü\n\x1b"}}
    changed = with_table(text, PATH, values)
    assert changed.startswith(text)
    assert tomllib.loads(changed)["mcp"]["servers"]["new"] == values
    if "'''" not in text:
        assert without_table(changed, PATH).rstrip("\n") == text.rstrip("\n")


def test_tables_beneath_go_too_and_others_stay() -> None:
    text = "[mcp.servers.new]\ncommand='x'\n[mcp.servers.new.env]\nA='1'\n[mcp.servers.newer]\ncommand='y'\n"
    assert without_table(text, PATH) == "[mcp.servers.newer]\ncommand='y'\n"


@pytest.mark.parametrize(
    "text",
    [
        "[mcp.servers]\nnew = { command = 'x' }\n",
        "mcp.servers.new.command = 'x'\n",
        "a = '''\n[mcp.servers.new]\nb'''\n",
    ],
)
def test_what_is_written_in_another_way_is_left_to_the_user(text: str) -> None:
    with pytest.raises(TomlError):
        without_table(text, PATH)


@pytest.mark.parametrize("text", ["[mcp.servers.new]\nurl='x'\n", "mcp = 3\n", "mcp = { servers = {} }\n"])
def test_a_table_that_does_not_fit_is_not_added(text: str) -> None:
    with pytest.raises(TomlError):
        with_table(text, PATH, {"url": "y"})


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), KEYS)
def test_any_values_come_back_as_they_were(values: dict[str, Any], name: str) -> None:
    changed = with_table("[agent]\n", ("mcp", "servers", name), values)
    assert tomllib.loads(changed)["mcp"]["servers"][name] == values


def test_a_file_keeps_its_mode_and_its_place_behind_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "folder" / "vtcode.toml"
    real.write_text("a = 1\n")
    real.chmod(0o640)
    link.parent.mkdir()
    link.symlink_to(real)
    replace_text(link, "b = 2\n")
    assert link.is_symlink() and real.read_text() == "b = 2\n" and real.stat().st_mode & 0o777 == 0o640
    replace_text(tmp_path / "made" / "x.toml", "")
    assert (tmp_path / "made" / "x.toml").stat().st_mode & 0o777 == 0o600
