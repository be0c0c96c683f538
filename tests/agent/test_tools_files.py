"""Reading, editing and writing files, and how arguments come to the tools."""

import contextlib
import gzip
import io
import json
import lzma
import os
import re
import sqlite3
import struct
import sys
import tarfile
import threading
import time
import zipfile
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.tools import Toolbox, tool
from vtcode.tools import TOOLS, BadArguments, parse_arguments
from vtcode.tools.binary import describe
from vtcode.tools.diff import unified_diff
from vtcode.tools.files import EditArguments, ReadArguments
from vtcode.tools.spool import Spool


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
        "apply_patch",
        "write_file",
        "run_terminal_cmd",
        "command_output",
        "update_plan",
        "ask_user",
    ]
    assert tool("read_file").parameters() == {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "start": {"type": "integer"},
            "end": {"type": "integer"},
            "numbers": {"type": "boolean"},
        },
        "required": ["path"],
    }
    assert tool("list_files").parameters() == {"type": "object", "properties": {"path": {"type": "string"}}}
    wire = [{"name": t.name, "description": t.description, "parameters": t.parameters()} for t in TOOLS]
    # 4 characters a token is what the default model's vocabulary comes to: some 60 tokens a tool.
    assert len(json.dumps(wire)) < 240 * len(TOOLS)


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
    assert str(bad) == sentence + '{"path": string, "start"?: integer, "end"?: integer, "numbers"?: boolean}.'


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
    assert box.run("read_file", path="a.txt", start=899, numbers=True).text == (
        "899\t899\n900\t900\n[lines 899-900 of 900]"
    )
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
        (b"caf\xe9\n", "café\n[not UTF-8: read as latin-1, and kept so in edits]"),
        (b"\x93caf\xe9\x94\n", "“café”\n[not UTF-8: read as cp1252, and kept so in edits]"),
        (b"caf\xe9 \x81\n", "café \x81\n[not UTF-8: read as latin-1, and kept so in edits]"),
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


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")
JPEG = (
    b"\xff\xd8\xff\xe0"
    + struct.pack(">H", 16)
    + b"JFIF\0"
    + bytes(9)
    + b"\xff\xdb"
    + struct.pack(">H", 67)
    + bytes(65)
    + b"\xff\xc2"
    + struct.pack(">HBHHB", 17, 8, 480, 640, 3)
    + bytes(9)
)


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.txt", "x" * 100)
    return data.getvalue()


def tarred() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return data.getvalue()


def database(folder: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(folder / "db")) as connection:
        connection.execute("create table t (x)")
        connection.commit()
    return (folder / "db").read_bytes()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "PNG image, 640×480, 45 bytes"),
        (JPEG, "JPEG image, 640×480"),
        (b"GIF89a" + struct.pack("<HH", 640, 480) + bytes(9), "GIF image, 640×480"),
        (b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\x7f\x02\0\xdf\x01\0", "WebP image, 640×480"),
        (
            b"RIFF\x30\0\0\0WEBPVP8 " + bytes(4) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480),
            "WebP image, 640×480",
        ),
        (b"RIFF\x30\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 639 | 479 << 14), "WebP image, 640×480"),
        (b"BM" + bytes(12) + struct.pack("<III", 40, 640, 480) + bytes(20), "BMP image, 640×480"),
        (PNG[:10], "PNG image, 10 bytes"),
        (b"\xff\xd8\xff\xe0\xff\xff\0", "JPEG image, 7 bytes"),
        (gzip.compress(b"x", mtime=0), "gzip archive"),
        (lzma.compress(b"x"), "xz archive"),
        (zipped(), "ZIP archive"),
        (tarred(), "tar archive"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\0", "PDF document"),
        (Path(sys.executable).resolve().read_bytes()[:4096], "ELF program or library"),
        (b"\0\1\2\3", "4 bytes"),
    ],
)
def test_a_binary_file_is_named_as_what_it_is(box: Toolbox, data: bytes, kind: str) -> None:
    box.write("f", data)
    text = box.run("read_file", path="f").text
    assert text.startswith(f"f is a binary file ({kind}")
    assert text.endswith("), which cannot be shown as text.")


def test_a_database_is_named(box: Toolbox, tmp_path: Path) -> None:
    box.write("f", database(tmp_path))
    assert box.run("read_file", path="f").text.startswith("f is a binary file (SQLite database, ")


@given(
    st.sampled_from([PNG, JPEG, b"RIFF....WEBPVP8L", b"BM"]).flatmap(
        lambda data: st.builds(lambda cut, rest: data[:cut] + rest, st.integers(0, len(data)), st.binary(max_size=40))
    )
)
def test_no_bytes_keep_a_file_from_being_named(data: bytes) -> None:
    describe(data)


def test_a_whole_output_that_was_kept_is_read_by_its_name(box: Toolbox, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "kept")
    name = spool.keep(b"one\ntwo\nthree\n")
    box.context = msgspec.structs.replace(box.context, spool=spool)
    assert box.run("read_file", path=str(name), start=2, end=2).text == (
        "two\n[lines 2-2 of 3; continue with start=3]"
    )
    assert box.run("read_file", path="@output/2").text == "@output/2 cannot be read: it does not exist."
    assert not box.run("edit_file", path=str(name), old_str="one", new_str="1").ok


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(box: Toolbox) -> None:
    box.write("src/apples.py", "")
    assert box.run("read_file", path="src/apple.py").text == (
        "src/apple.py cannot be read: it does not exist. There is src/apples.py."
    )
    assert box.run("edit_file", path="src/Apples.py", old_str="a", new_str="b").text.endswith(
        "There is src/apples.py."
    )
    assert box.run("read_file", path="nowhere/apple.py").text.endswith("it does not exist.")


def test_one_enormous_line_is_shown_in_part_and_at_once(box: Toolbox) -> None:
    with box.write("one", "").open("wb") as file:
        for _ in range(20):
            file.write(b"word " * 2_000_000)
    started = time.monotonic()
    text = box.run("read_file", path="one").text
    assert len(text) < box.context.output_limit + 200
    assert text.endswith("[lines 1-1 of 1 in its first 10.0 MB; the file has 200.0 MB]")
    assert not box.run("edit_file", path="one", old_str="word", new_str="x").ok
    assert not box.run("write_file", path="one", content="x").ok
    assert time.monotonic() - started < 2


def test_a_file_that_grows_while_it_is_read_is_shown_as_it_was_at_some_moment(box: Toolbox) -> None:
    path = box.write("log", "0\n")
    done = threading.Event()

    def grow() -> None:
        with path.open("a") as file:
            for number in range(1, 200_000):
                if done.is_set():
                    return
                file.write(f"{number}\n")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(30):
            text = box.run("read_file", path="log", end=3).text
            assert text.startswith("0") and "in its first" not in text
    finally:
        done.set()
        thread.join()


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
            "    return 2\n",
            'old_str was not found in f: "return 2". The nearest is line 2: "\treturn 1".',
        ),
        (
            "a = 1\nb = 2\nc = 3\nd = 4\n",
            "b = 2\nc = 4\n",
            'old_str was not found in f: "b = 2". The nearest are lines 2-3:\n2: b = 2\n3: c = 3\nRead the file',
        ),
        ("x = new\n", "x = old", 'old_str was not found in f: "x = old". new_str is there already (line 1).'),
        ("\tx()\n  x()\n", "    x()\n", "old_str occurs 2 times in f (lines 1, 2), blanks aside."),
        ("  a\n\tb\n", " a\n b", "old_str differs from lines 1-2 of f in its blanks."),
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


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        # Indented elsewhere, and further in what is new.
        (
            "class A:\n    def f(self):\n        x()\n",
            "def f(self):\n    x()",
            "def f(self):\n    if a:\n        x()",
            "class A:\n    def f(self):\n        if a:\n            x()\n",
        ),
        # Tabs there, spaces given; and the other way round.
        (
            "def f():\n\tx()\n\ty()\n",
            "    x()\n    y()\n",
            "    x()\n    if a:\n        y()\n",
            "def f():\n\tx()\n\tif a:\n\t\ty()\n",
        ),
        ("def f():\n  x()\n", "def f():\n\tx()\n", "def f():\n\tif a:\n\t\tx()\n", "def f():\n  if a:\n    x()\n"),
        # Less deep than anything that was given.
        (
            "if a:\n  if b:\n    x()\n    y()\n",
            "        x()\n        y()",
            "        x()\n    y()",
            "if a:\n  if b:\n    x()\ny()\n",
        ),
        # Trailing blanks, and blanks within; lines that stay keep theirs.
        ("a = 1  \nb\t=  2\nc\n", "a = 1\nb = 2\n", "a = 1\nb = 3\n", "a = 1  \nb = 3\nc\n"),
        ("a\r\n\tb\r\nc\r\n", "a\n  b", "a\n  b2\n  b3", "a\r\n\tb2\r\n\tb3\r\nc\r\n"),
        ("a\r\n\tb", "a\n  b", "a\n  b2\n  b3", "a\r\n\tb2\r\n\tb3"),
        # Whole lines that go, and ones without a newline at the end.
        ("a\n  b\nc\n", "\tb\n", "", "a\nc\n"),
        ("a\n  b", "\tb", "\tc", "a\n  c"),
        ("x\n\n  a\n\n  b\n", "a\n\nb", "a\n\nc", "x\n\n  a\n\n  c\n"),
        # Line numbers that came along.
        ("a\nb\nc\n", "2\tb\n3\tc\n", "2\tB\n3\tc\n", "a\nB\nc\n"),
        ("a\n  b\nc\n", "2: b\n3: c", "2: B\n3: c", "a\n  B\nc\n"),
        ("a\u00a0b\n", "a b", "a c", "a c\n"),
    ],
)
def test_blanks_that_differ_do_not_keep_an_edit_from_its_one_place(
    box: Toolbox, before: str, old: str, new: str, after: str
) -> None:
    path = box.write("f", before)
    outcome = box.run("edit_file", path="f", old_str=old, new_str=new)
    assert outcome.ok, outcome.text
    assert path.read_bytes().decode() == after


def test_an_edit_prefers_the_place_that_matches_word_for_word(box: Toolbox) -> None:
    path = box.write("f", "  x()\n    x()\nx ()\n")
    assert box.run("edit_file", path="f", old_str="\n    x()\n", new_str="\n    y()\n").ok
    assert path.read_text() == "  x()\n    y()\nx ()\n"


CODE = st.recursive(
    st.sampled_from(["a()", "b()", "c()"]).map(lambda line: [line]),
    lambda blocks: st.lists(blocks, min_size=1, max_size=3).map(
        lambda parts: ["if x:", *(f"\t{line}" for part in parts for line in part)]
    ),
    max_leaves=6,
)


@given(CODE, CODE, st.integers(0, 3), st.sampled_from(["\t", "  ", "    "]), st.sampled_from(["\t", "  ", "    "]))
def test_a_passage_is_replaced_whatever_its_indentation(
    tmp_path_factory: pytest.TempPathFactory, old: list[str], new: list[str], depth: int, there: str, given: str
) -> None:
    if old == new:
        return
    if "\t" not in there + given and there != given and len(old) == 1:
        # One line does not tell whether it is deeper, or more blanks make a step.
        return

    def text(lines: list[str], unit: str, deeper: int = 0) -> str:
        return "".join(f"\t{line}".replace("\t", unit) + "\n" for line in ["\t" * deeper + line for line in lines])

    box = Toolbox(tmp_path_factory.mktemp("w"))
    before = f"if first:\n{there}x\n"
    path = box.write("f", f"{before}{text(old, there, depth)}last\n")
    outcome = box.run("edit_file", path="f", old_str=text(old, given), new_str=text(new, given))
    assert outcome.ok, outcome.text
    assert path.read_text() == f"{before}{text(new, there, depth)}last\n"


TEXT = st.text(alphabet="ab\n\r é", max_size=30)


def around(text: str, old: str) -> list[tuple[str, str]]:
    """Find whole lines that are `old` but for their blanks; give what stands before and behind each."""
    lines, wanted = text.split("\n"), old.removesuffix("\n").split("\n")
    places: list[tuple[str, str]] = []
    # An empty line at the beginning may stand for the end of the line above.
    for some in (wanted, wanted[1:] if not wanted[0] else wanted):
        sought = [line.split() for line in some]
        for at in range(len(lines)):
            if [line.split() for line in lines[at : at + len(sought)]] == sought:
                places.append(("\n".join(lines[:at]), "\n".join(lines[at + len(sought) :])))
    return places


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
        if place is None:
            assert any(after.startswith(kept) and after.endswith(rest) for kept, rest in around(text, old))
            return
        before, behind = text[: place.start()], text[place.end() :]
        assert after.startswith(before) and after.endswith(behind)
        if "\n" not in old.removesuffix("\n") and old[0] == " " and before.endswith(" "):
            # A line that is indented deeper than it was given: what is put there is, too.
            return
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


def test_a_passage_of_a_megabyte_that_is_nearly_there_is_answered_within_seconds(box: Toolbox) -> None:
    box.write("f", "x\n" * 500_000 + "y\n")
    started = time.monotonic()
    for old in ("x\n" * 400_000 + "z", " x\n" * 300_000 + "z", "x\n" * 400_000):
        assert not box.run("edit_file", path="f", old_str=old, new_str="new").ok
    hunk = " x\n" * 300_000 + "-z\n+y\n"
    assert not box.run("apply_patch", patch=f"*** Update File: f\n@@\n{hunk}").ok
    assert time.monotonic() - started < 20
