"""Reading, editing and writing files, and how arguments come to the tools."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.tools import Toolbox, tool
from vtcode.tools import TOOLS, BadArguments, parse_arguments
from vtcode.tools.diff import unified_diff
from vtcode.tools.files import EditArguments, ReadArguments


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    return Toolbox(tmp_path)


# Arguments ----------------------------------------------------------------------------------------------


def test_the_tools_are_these_and_their_schemas_are_small() -> None:
    assert [t.name for t in TOOLS] == [
        "read_file",
        "list_files",
        "grep_file",
        "edit_file",
        "write_file",
        "run_terminal_cmd",
        "command_output",
        "update_plan",
        "ask_user",
    ]
    assert tool("read_file").parameters() == {
        "type": "object",
        "properties": {"path": {"type": "string"}, "start": {"type": "integer"}, "end": {"type": "integer"}},
        "required": ["path"],
    }
    assert tool("list_files").parameters() == {"type": "object", "properties": {"path": {"type": "string"}}}
    wire = [{"name": t.name, "description": t.description, "parameters": t.parameters()} for t in TOOLS]
    # 4 characters a token is what the default model's vocabulary comes to: below 60 tokens a tool.
    assert len(json.dumps(wire)) < 2160


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ('{"path": "a"}', ReadArguments("a")),
        ('{"path": "a", "start": "3", "end": 5}', ReadArguments("a", 3, 5)),
        ('{"path": "a", "start": null}', ReadArguments("a")),
        ('{"file_path": "a", "start_line": 2}', ReadArguments("a", 2)),
        ('{"path": "a", "file": "b"}', ReadArguments("a")),
        ('{"file": "b", "path": "a"}', ReadArguments("a")),
        ('{"path": "a", "encoding": "utf-8"}', ReadArguments("a")),
        ('"{\\"path\\": \\"a\\"}"', ReadArguments("a")),
    ],
)
def test_arguments_that_are_nearly_right_are_taken(raw: str, arguments: ReadArguments) -> None:
    assert parse_arguments(tool("read_file"), raw) == arguments


def test_the_names_that_models_know_from_other_tools_are_taken() -> None:
    raw = '{"file_path": "a", "old_text": "x", "new_string": "y"}'
    assert parse_arguments(tool("edit_file"), raw) == EditArguments("a", "x", "y")
    assert parse_arguments(tool("list_files"), "") == parse_arguments(tool("list_files"), '{"path": "."}')


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ("{}", "read_file: missing required field `path`. Expected "),
        ('{"path": 7}', "read_file: path: Expected a string, got a whole number. Expected "),
        ('{"path": "a", "start": "x"}', "read_file: start: Expected a whole number, got a string. Expected "),
        ('{"path": "a"', "The arguments of read_file are not a JSON object. Expected "),
        ("[1]", "The arguments of read_file are not a JSON object. Expected "),
        ("[" * 100_000, "The arguments of read_file are not a JSON object. Expected "),
        ("\ud800", "The arguments of read_file are not a JSON object. Expected "),
    ],
)
def test_wrong_arguments_are_answered_with_what_fits(raw: str, sentence: str) -> None:
    bad = parse_arguments(tool("read_file"), raw)
    assert isinstance(bad, BadArguments)
    assert str(bad) == sentence + '{"path": string, "start"?: integer, "end"?: integer}.'


def test_an_argument_that_would_change_what_is_written_is_not_ignored() -> None:
    bad = parse_arguments(tool("write_file"), '{"path": "a", "content": "b", "mode": "append"}')
    assert isinstance(bad, BadArguments) and "mode" in str(bad)


@given(st.text() | st.dictionaries(st.text(), st.none() | st.text() | st.integers()).map(json.dumps))
def test_no_arguments_raise(raw: str) -> None:
    for t in TOOLS:
        parse_arguments(t, raw)


# Reading ------------------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_is(box: Toolbox) -> None:
    box.write("a.txt", "one\ntwo\n")
    outcome = box.run("read_file", path="a.txt")
    assert (outcome.ok, outcome.text, outcome.summary) == (True, "one\ntwo", "a.txt, lines 1-2 of 2")


def test_a_part_of_a_file_says_which_part_it_is(box: Toolbox) -> None:
    box.write("a.txt", "".join(f"{n}\n" for n in range(1, 901)))
    assert box.run("read_file", path="a.txt", start=5, end=6).text == (
        "5\n6\n[lines 5-6 of 900; continue with start=7]"
    )
    assert box.run("read_file", path="a.txt", start=899).text == "899\n900\n[lines 899-900 of 900]"
    assert box.run("read_file", path="a.txt", start=0, end=10_000).text.startswith("1\n2\n")
    assert box.run("read_file", path="a.txt", start=901).text == "a.txt has 900 lines; start=901 lies beyond them."
    assert not box.run("read_file", path="a.txt", start=7, end=5).ok


def test_long_output_ends_at_a_line_and_reading_on_gives_the_rest(box: Toolbox) -> None:
    lines = [f"line {n} " + "x" * (n % 50) for n in range(500)]
    box.write("a.txt", "\n".join(lines))
    read: list[str] = []
    while len(read) < len(lines):
        outcome = box.run("read_file", path="a.txt", start=len(read) + 1)
        assert len(outcome.text) <= box.context.output_limit
        read += [line for line in outcome.text.split("\n") if line.startswith("line")]
    assert read == lines


def test_an_enormous_line_is_cut_with_a_mark(box: Toolbox) -> None:
    box.write("a.js", "x" * 1_000_000 + "\nend\n")
    text = box.run("read_file", path="a.js").text
    assert len(text) < box.context.output_limit + 100
    assert text.endswith("[line 1 goes on: 1,000,000 characters in all]\n[lines 1-1 of 2; continue with start=2]")
    assert box.run("read_file", path="a.js", start=2).text == "end\n[lines 2-2 of 2]"


def test_an_enormous_file_is_read_in_part_and_at_once(box: Toolbox) -> None:
    with box.write("sparse", "").open("wb") as file:
        file.truncate(10_000_000_000)
    with box.write("log", "").open("wb") as file:
        file.write(b"0123456789\n" * 2_000_000)
    started = time.monotonic()
    assert box.run("read_file", path="sparse").text == (
        "sparse is a binary file (10.0 GB), which cannot be shown as text."
    )
    text = box.run("read_file", path="log", start=909_000, end=909_001).text
    assert text == (
        "0123456789\n0123456789\n[lines 909000-909001 of 909091 in its first 10.0 MB; the file has 22.0 MB; "
        "continue with start=909002]"
    )
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9\r\nx", "café\nx"),
        ("café".encode("utf-16-le"), None),
        (b"\xff\xfe" + "café\r\n".encode("utf-16-le"), "café"),
        (b"\xfe\xff" + "café".encode("utf-16-be"), "café"),
        (b"caf\xe9\n", "café"),
        (b"\x89PNG\r\n\x1a\n\0\0", None),
        (bytes(range(128, 256)) + bytes(range(1, 9)), None),
        (b"\xff\xfe\x00", None),
        (b"", "[f is empty]"),
    ],
)
def test_encodings_are_recognised_and_binary_files_refused(box: Toolbox, data: bytes, text: str | None) -> None:
    box.write("f", data)
    outcome = box.run("read_file", path="f")
    assert outcome.ok == (text is not None)
    assert outcome.text == (text if text is not None else outcome.text)
    assert text is not None or "binary" in outcome.text


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "~/x", "missing.txt", ".", "fifo", "a\0b"])
def test_what_cannot_be_read_is_an_outcome_within_a_second(box: Toolbox, path: str) -> None:
    os.mkfifo(box.root / "fifo")
    started = time.monotonic()
    for name, more in (("read_file", {}), ("edit_file", {"old_str": "a", "new_str": "b"})):
        outcome = box.run(name, path=path, **more)
        assert not outcome.ok and outcome.text.endswith(".")
    assert time.monotonic() - started < 1


def test_secrets_and_steering_files_are_sensitive(box: Toolbox) -> None:
    assert box.sensitive("read_file", path=".env") == ".env may hold secrets"
    assert box.sensitive("read_file", path="vtcode.toml") is None
    assert box.sensitive("write_file", path="sub/../vtcode.toml", content="") == "vtcode.toml is protected"
    assert box.sensitive("edit_file", path=".git/config", old_str="a", new_str="b") == ".git/config is protected"
    assert box.sensitive("grep_file", path=".ssh", pattern="x") == ".ssh may hold secrets"
    assert box.sensitive("write_file", path="../outside", content="") is None
    assert box.sensitive("write_file", path="a.txt", content="") is None


# Editing ------------------------------------------------------------------------------------------------


def test_an_edit_replaces_the_one_place(box: Toolbox) -> None:
    path = box.write("a.py", "def f():\n    return 1\n")
    outcome = box.run("edit_file", path="a.py", old_str="return 1", new_str="return 2\n    # done")
    assert (outcome.ok, outcome.text) == (True, "Edited a.py (+2 -1).")
    assert path.read_text() == "def f():\n    return 2\n    # done\n"


@pytest.mark.parametrize(
    ("content", "old", "told"),
    [
        ("a\nb\na\n", "a", "old_str occurs 2 times in f (lines 1, 3)."),
        ("aaa", "aa", "old_str occurs 2 times in f (lines 1, 1)."),
        ("x\n" * 50, "x", "old_str occurs more than 10 times in f (lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)."),
        ("a\n", "", "old_str is empty."),
        ("a\n", "new", "old_str and new_str are the same"),
        (
            "def f():\n\treturn 1\n",
            "    return 1\n",
            'old_str was not found in f: "return 1". The nearest is line 2: "\treturn 1".',
        ),
        ("", "absent", 'old_str was not found in f: "absent". Read the file'),
        ("a.c\n", "abc", "old_str was not found"),
        (b"\0", "a", "f is a binary file"),
        (b"caf\xe9", "caf", "which the file's encoding (latin-1) lacks"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(box: Toolbox, content: str | bytes, old: str, told: str) -> None:
    path = box.write("f", content)
    before = path.read_bytes(), path.stat().st_ino
    new = "→" if content == b"caf\xe9" else "new"
    outcome = box.run("edit_file", path="f", old_str=old, new_str=new)
    assert not outcome.ok and told in outcome.text
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_a_nearest_line_is_found_quickly_in_a_large_file(box: Toolbox) -> None:
    box.write("f", "".join(f"value_{n} = compute({n}, {n * 7}) + offset\n" for n in range(200_000)))
    started = time.monotonic()
    assert (
        "The nearest is line"
        in box.run("edit_file", path="f", old_str="value_x = compute(x, y) + offset!", new_str="z").text
    )
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz", b"x\r\ny\r\nz\r\nc\r\n"),
        (b"a\r\nb\r\n", "b", "x\ny", b"a\r\nx\r\ny\r\n"),
        (b"a\r\nb\r\n", "\nb", "\nx", b"a\r\nx\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "x", b"x\r\n"),
        (b"a\nb\r\nc\n", "a\nb\nc", "x\ny", b"x\r\ny\n"),
        (b"a\nb\n", "a\r\nb", "x\r\ny", b"x\ny\n"),
        (b"\xef\xbb\xbfa\n", "a", "b", b"\xef\xbb\xbfb\n"),
        (b"caf\xe9 a", "a", "b", None),
        (b"caf\xe9 x", "x", "\xfc", b"caf\xe9 \xfc"),
        (b"\xff\xfe" + "a\r\nb".encode("utf-16-le"), "a\nb", "c\nd", b"\xff\xfe" + "c\r\nd".encode("utf-16-le")),
    ],
)
def test_an_edit_keeps_encoding_and_newlines(
    box: Toolbox, before: bytes, old: str, new: str, after: bytes | None
) -> None:
    path = box.write("f", before)
    assert box.run("edit_file", path="f", old_str=old, new_str=new).ok == (after is not None)
    assert path.read_bytes() == (after if after is not None else before)


TEXT = st.text(alphabet="ab\n\r é", max_size=30)


@given(TEXT, st.text(alphabet="ab\n é", min_size=1, max_size=4), st.text(alphabet="xy\n", max_size=4))
def test_an_edit_changes_only_what_matched(
    tmp_path_factory: pytest.TempPathFactory, text: str, old: str, new: str
) -> None:
    box = Toolbox(tmp_path_factory.mktemp("w"))
    path = box.write("f", text)
    outcome = box.run("edit_file", path="f", old_str=old, new_str=new)
    after = path.read_bytes().decode()
    if outcome.ok:
        place = re.search(re.escape(old).replace("\\\n", "\r?\n"), text)
        assert place is not None
        before, behind = text[: place.start()], text[place.end() :]
        assert after.startswith(before) and after.endswith(behind)
        assert after[len(before) : len(after) - len(behind)].replace("\r\n", "\n") == new
    else:
        assert after == text


def test_the_preview_of_an_edit_is_its_diff_and_changes_nothing(box: Toolbox) -> None:
    path = box.write("a.txt", "".join(f"{n}\n" for n in range(1, 21)))
    preview = box.preview("edit_file", path="a.txt", old_str="10\n11", new_str="ten")
    assert preview.kind == "diff"
    assert preview.text.splitlines() == [
        *(
            "--- a/a.txt",
            "+++ b/a.txt",
            "@@ -7,8 +7,7 @@",
            " 7",
            " 8",
            " 9",
            "-10",
            "-11",
            "+ten",
            " 12",
            " 13",
            " 14",
        ),
    ]
    assert "10\n" in path.read_text()
    failing = box.preview("edit_file", path="a.txt", old_str="absent", new_str="x")
    assert failing.kind == "path" and "will fail" in failing.text


# Writing ------------------------------------------------------------------------------------------------


def test_writing_makes_a_file_with_its_folders(box: Toolbox) -> None:
    outcome = box.run("write_file", path="new/notes.txt", content="a\nb\nc\n")
    assert (outcome.ok, outcome.text) == (True, "Wrote new/notes.txt (3 lines).")
    assert outcome.summary == "created new/notes.txt (3 lines)"
    assert (box.root / "new" / "notes.txt").read_text() == "a\nb\nc\n"
    outcome = box.run("write_file", path="new/notes.txt", content="a")
    assert outcome.summary == "overwrote new/notes.txt (1 line)"


@pytest.mark.parametrize("path", ["folder", ".", "../x", "file/x", "x" * 300, "link"])
def test_what_cannot_be_written_is_told(box: Toolbox, path: str) -> None:
    (box.root / "folder").mkdir()
    (box.root / "link").symlink_to("../outside")
    box.write("file", "kept")
    outcome = box.run("write_file", path=path, content="x")
    assert not outcome.ok and outcome.text.endswith(".")
    assert sorted(p.name for p in box.root.iterdir()) == ["file", "folder", "link"]
    assert not (box.root.parent / "outside").exists()
    assert "harmful" in box.preview("write_file", path=path, content="harmful\n").text


def test_the_preview_of_a_new_file_is_all_of_it(box: Toolbox) -> None:
    preview = box.preview("write_file", path="a", content="x\ny")
    assert preview.text == "--- /dev/null\n+++ b/a\n@@ -0,0 +1,2 @@\n+x\n+y\n\\ No newline at end of file"


def test_a_change_of_the_last_newline_alone_is_seen() -> None:
    assert unified_diff("a", "x\n", "x").splitlines()[3:] == ["-x", "+x", "\\ No newline at end of file"]


def test_a_large_diff_is_quick_and_has_every_line() -> None:
    old = "".join(f"{n % 7}\n" for n in range(50_000))
    new = "".join(f"{n % 5}!\n" for n in range(50_000))
    started = time.monotonic()
    lines = unified_diff("a", old, new).splitlines()
    assert time.monotonic() - started < 1
    assert sum(line[0] == "+" for line in lines[3:]) == 50_000


@given(TEXT, TEXT)
def test_a_diff_applied_gives_the_new_text(old: str, new: str) -> None:
    lines = unified_diff("a", old, new).replace("\n\\ No newline at end of file", "").split("\n")[2:]
    if "\r\n" in old and "\r\n" in new:
        old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    kept = [line[1:] for line in lines if line[:1] in {" ", "+"}]
    if old.removesuffix("\n") != new.removesuffix("\n"):
        assert "\n".join(kept) in new
        assert all(line[1:] in old for line in lines if line[:1] == "-")
