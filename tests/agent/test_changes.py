"""What may be changed after it was read, what is kept before, and what is left when a process is killed."""

import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.agent.tools import Toolbox
from vtcode.replacing import Replacement
from vtcode.tools.changes import FileChanges
from vtcode.workspace import Workspace, WorkspaceError

KILLS = int(os.environ.get("VTCODE_TEST_KILLS", "40"))
"""200 by hand."""


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    root = tmp_path / "work"
    root.mkdir()
    return Toolbox(root)


CHANGED = "a.txt has changed since you read it, and was left as it is. Read it again."

EDITS = [
    ("edit_file", {"path": "a.txt", "old_str": "one", "new_str": "1"}),
    ("write_file", {"path": "a.txt", "content": "1\ntwo\n"}),
    ("apply_patch", {"patch": "*** Update File: a.txt\n@@\n-one\n+1\n"}),
    ("apply_patch", {"patch": "*** Delete File: a.txt\n"}),
    ("apply_patch", {"patch": "*** Update File: a.txt\n*** Move to: b.txt\n"}),
]


# Since it was read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), EDITS)
def test_a_file_that_changed_since_it_was_read_is_left_alone_until_it_is_read_again(
    box: Toolbox, name: str, arguments: dict[str, str]
) -> None:
    path = box.write("a.txt", "one\ntwo\n")
    box.run("read_file", path="a.txt")
    path.write_text("one\ntwo\nthree\n")
    outcome = box.run(name, **arguments)
    assert not outcome.ok and outcome.text.removeprefix("Nothing was changed. ") == CHANGED
    assert CHANGED in box.preview(name, **arguments).text
    assert path.read_text() == "one\ntwo\nthree\n"
    box.run("read_file", path="a.txt")
    assert box.run(name, **arguments).ok


def test_what_a_tool_wrote_need_not_be_read(box: Toolbox) -> None:
    assert box.run("write_file", path="a.txt", content="one\n").ok
    assert box.run("write_file", path="a.txt", content="two\n").ok
    assert box.run("edit_file", path="a.txt", old_str="two", new_str="three").ok
    assert box.run("write_file", path="a.txt", content="four\n").ok
    (box.root / "a.txt").write_text("five\n")
    assert box.run("edit_file", path="a.txt", old_str="five", new_str="six").text == CHANGED
    assert box.run("write_file", path="a.txt", content="six\n").text == CHANGED


def test_a_file_that_was_touched_but_holds_the_same_is_the_same(box: Toolbox) -> None:
    path = box.write("a.txt", "one\n")
    box.run("read_file", path="a.txt")
    path.unlink()
    path.write_text("one\n")
    assert box.run("write_file", path="a.txt", content="two\n").ok


def test_a_file_that_was_read_and_is_gone_can_be_written_anew(box: Toolbox) -> None:
    path = box.write("a.txt", "one\n")
    box.run("read_file", path="a.txt")
    path.unlink()
    assert box.run("edit_file", path="a.txt", old_str="one", new_str="two").text == (
        "a.txt cannot be read: it does not exist."
    )
    assert box.run("write_file", path="a.txt", content="two\n").ok


@pytest.mark.parametrize("way", ["a.txt", "./sub/../a.txt", "link.txt", "linked/a.txt"])
def test_a_file_is_the_same_by_any_path(box: Toolbox, way: str) -> None:
    path = box.write("a.txt", "one\n")
    (box.root / "sub").mkdir()
    (box.root / "link.txt").symlink_to("a.txt")
    (box.root / "linked").symlink_to(".")
    box.run("read_file", path=way)
    assert box.run("write_file", path="a.txt", content="two\n").ok
    path.write_text("three\n")
    assert box.run("edit_file", path=way, old_str="three", new_str="four").text == CHANGED


# Never read ---------------------------------------------------------------------------------------------

UNREAD = (
    "a.txt exists, and you have not read it. Read it with read_file first; to change a part of it, use edit_file."
)


def test_a_file_that_was_never_read_is_neither_overwritten_nor_deleted(box: Toolbox) -> None:
    path = box.write("a.txt", "one\n")
    assert box.run("write_file", path="a.txt", content="two\n").text == UNREAD
    assert box.run("apply_patch", patch="*** Delete File: a.txt").text == f"Nothing was changed. {UNREAD}"
    assert UNREAD in box.preview("write_file", path="a.txt", content="two\n").text
    assert path.read_text() == "one\n"


@pytest.mark.parametrize(("name", "arguments"), [EDITS[0], EDITS[2], EDITS[4]])
def test_an_edit_of_a_file_that_was_never_read_is_checked_by_its_text(
    box: Toolbox, name: str, arguments: dict[str, str]
) -> None:
    box.write("a.txt", "one\ntwo\n")
    assert box.run(name, **arguments).ok
    left = "b.txt" if (box.root / "b.txt").exists() else "a.txt"
    assert not box.run("write_file", path=left, content="").ok


def test_an_empty_file_has_nothing_to_be_read(box: Toolbox) -> None:
    box.write("a.txt", "")
    assert box.run("write_file", path="a.txt", content="one\n").ok


def test_a_binary_file_can_be_replaced_after_it_was_named(box: Toolbox) -> None:
    path = box.write("a.bin", b"\0\1")
    assert not box.run("write_file", path="a.bin", content="text\n").ok
    assert not box.run("read_file", path="a.bin").ok
    assert box.run("write_file", path="a.bin", content="text\n").ok
    assert path.read_text() == "text\n"


def test_a_file_that_was_read_in_part_is_overwritten_only_after_the_rest_was_read(box: Toolbox) -> None:
    box.write("a.txt", "".join(f"{n}\n" for n in range(1, 31)))
    rest = "You have not read all of a.txt. Read on with read_file (start={}), or change a part of it with edit_file."
    box.run("read_file", path="a.txt", start=1, end=10)
    assert box.run("write_file", path="a.txt", content="x").text == rest.format(11)
    box.run("read_file", path="a.txt", start=21)
    assert box.run("write_file", path="a.txt", content="x").text == rest.format(11)
    box.run("read_file", path="a.txt", start=11, end=25)
    assert box.run("write_file", path="a.txt", content="x").text == rest.format(26)
    box.run("read_file", path="a.txt", start=26)
    assert box.run("write_file", path="a.txt", content="x").ok


def test_what_did_not_fit_was_not_read(tmp_path: Path) -> None:
    box = Toolbox(tmp_path, output_limit=400)
    box.write("a.txt", "".join(f"line {n}\n" for n in range(100)))
    text = box.run("read_file", path="a.txt").text
    assert "continue with start=" in text
    assert not box.run("write_file", path="a.txt", content=text).ok
    box.write("min.js", "x" * 1000)
    box.run("read_file", path="min.js")
    assert not box.run("write_file", path="min.js", content="x").ok


def test_parts_of_two_versions_do_not_add_up(box: Toolbox) -> None:
    path = box.write("a.txt", "1\n2\n")
    box.run("read_file", path="a.txt", end=1)
    path.write_text("1\n3\n")
    box.run("read_file", path="a.txt", start=2)
    assert not box.run("write_file", path="a.txt", content="x").ok


# How it is written --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "content", "after"),
    [
        (b"a\r\nb\r\n", "a\nc\n", b"a\r\nc\r\n"),
        (b"a\r\nb\r\n", "a\r\nc\r\n", b"a\r\nc\r\n"),
        (b"a\nb\r\nc\n", "x\ny\n", b"x\ny\n"),
        (b"\xef\xbb\xbfa\n", "b\n", b"\xef\xbb\xbfb\n"),
        (b"\xff\xfea\0", "é", b"\xff\xfe\xe9\0"),
        (b"\x93caf\xe9\x94", "“thé”", b"\x93th\xe9\x94"),
        (b"caf\xe9", "caf→", "caf→".encode()),
    ],
)
def test_a_file_that_is_overwritten_keeps_encoding_and_newlines(
    box: Toolbox, before: bytes, content: str, after: bytes
) -> None:
    path = box.write("f", before)
    path.chmod(0o751)
    box.run("read_file", path="f")
    assert box.run("write_file", path="f", content=content).ok
    assert path.read_bytes() == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o751


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o777])
def test_edits_and_moves_keep_the_mode(box: Toolbox, mode: int) -> None:
    path = box.write("f", "one\n")
    path.chmod(mode)
    old = os.umask(0o022)
    try:
        assert box.run("edit_file", path="f", old_str="one", new_str="two").ok
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert box.run("apply_patch", patch="*** Update File: f\n*** Move to: g\n@@\n-two\n+three\n").ok
        assert stat.S_IMODE((box.root / "g").stat().st_mode) == mode & ~0o022
    finally:
        os.umask(old)


# What is kept -------------------------------------------------------------------------------------------


class Kept:
    """Keeps what it is told, and what the file was at that moment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[tuple[str, bytes | None, int | None]] = []
        self.there: list[bytes | None] = []

    def before(self, path: str, old: bytes | None, mode: int | None) -> None:
        self.told.append((path, old, mode))
        file = self.root / path
        self.there.append(file.read_bytes() if file.exists() else None)


def test_what_a_file_was_is_kept_before_the_first_byte_changes(box: Toolbox) -> None:
    kept = Kept(box.root)
    box.context = msgspec.structs.replace(box.context, changes=FileChanges(box.context.workspace, kept))
    for name in "acd":
        box.write(name, f"{name}\n").chmod(0o640)
    box.run("read_file", path="c")
    assert box.run("edit_file", path="a", old_str="a", new_str="A").ok
    assert box.run("write_file", path="new/b", content="B").ok
    patch = "*** Delete File: c\n*** Update File: d\n*** Move to: e\n*** Update File: a\n@@\n-A\n+AA\n"
    assert box.run("apply_patch", patch=patch).ok
    assert kept.told == [
        ("a", b"a\n", 0o640),
        ("new/b", None, None),
        ("c", b"c\n", 0o640),
        ("d", b"d\n", 0o640),
        ("e", None, None),
        ("a", b"A\n", 0o640),
    ]
    assert kept.there == [old for _, old, _ in kept.told]


def test_nothing_is_kept_of_what_is_refused(box: Toolbox) -> None:
    kept = Kept(box.root)
    box.context = msgspec.structs.replace(box.context, changes=FileChanges(box.context.workspace, kept))
    box.write("a", "a\n")
    for name, arguments in (
        ("write_file", {"path": "a", "content": "x"}),
        ("edit_file", {"path": "a", "old_str": "absent", "new_str": "x"}),
        ("apply_patch", {"patch": "*** Update File: a\n@@\n-a\n+b\n*** Update File: nowhere\n@@\n-a\n+b\n"}),
    ):
        box.preview(name, **arguments)
        assert not box.run(name, **arguments).ok
    assert kept.told == []


def test_one_path_writes_and_removes(box: Toolbox) -> None:
    changes = box.context.changes
    path = box.context.workspace.locate("sub/a")
    changes.write(path, b"one")
    changes.write(path, b"two")
    assert path.read_bytes() == b"two"
    path.write_bytes(b"three")
    for action in (lambda: changes.write(path, b"four"), lambda: changes.remove(path)):
        with pytest.raises(WorkspaceError, match="has changed since you read it"):
            action()
    path.write_bytes(b"two")
    changes.remove(path)
    assert list((box.root / "sub").iterdir()) == []


# Any order ----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "sub/c"])
CONTENTS = st.sampled_from(["", "one\n", "one\ntwo\n", "two\r\n", "three"])


class Together(RuleBasedStateMachine):
    """A model and somebody else change the same files: nothing that the model does not know is lost."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.box = Toolbox(Path(self._folder.name))
        self.files: dict[str, bytes] = {}
        self.known: dict[str, bytes] = {}

    def teardown(self) -> None:
        self._folder.cleanup()

    @rule(name=NAMES, content=CONTENTS)
    def somebody_writes(self, name: str, content: str) -> None:
        self.box.write(name, content)
        self.files[name] = content.encode()

    @rule(name=NAMES)
    def somebody_removes(self, name: str) -> None:
        (self.box.root / name).unlink(missing_ok=True)
        self.files.pop(name, None)

    @rule(name=NAMES)
    def the_model_reads(self, name: str) -> None:
        if self.box.run("read_file", path=name).ok:
            self.known[name] = self.files[name]

    @rule(name=NAMES, content=CONTENTS)
    def the_model_writes(self, name: str, content: str) -> None:
        old = self.files.get(name)
        outcome = self.box.run("write_file", path=name, content=content)
        is_known = not old or self.known.get(name) == old
        if name in self.known and old is not None and self.known[name] != old:
            is_known = False
        assert outcome.ok == is_known, outcome.text
        if outcome.ok:
            self.files[name] = self.known[name] = (self.box.root / name).read_bytes()
            assert self.files[name].replace(b"\r\n", b"\n") == content.encode().replace(b"\r\n", b"\n")

    @rule(name=NAMES, other=NAMES)
    def the_model_patches(self, name: str, other: str) -> None:
        patch = f"*** Update File: {name}\n@@\n-one\n+ONE\n*** Delete File: {other}\n"
        outcome = self.box.run("apply_patch", patch=patch)
        if outcome.ok:
            assert self.files[name].startswith(b"one\n")
            assert self.known.get(other, self.files[other]) == self.files[other]
            self.files[name] = self.files[name].replace(b"one", b"ONE")
            if name in self.known:
                self.known[name] = self.files[name]
            del self.files[other]
            self.known.pop(other, None)

    @invariant()
    def files_are_as_they_should_be(self) -> None:
        files = (path for path in self.box.root.rglob("*") if path.is_file())
        assert {path.relative_to(self.box.root).as_posix(): path.read_bytes() for path in files} == self.files


TestTogether = Together.TestCase
TestTogether.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# Killed at any moment -----------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from vtcode.replacing import Replacement
from vtcode.workspace import Workspace
workspace = Workspace(sys.argv[1])
print("ready", flush=True)
for number in range(1_000_000):
    data = str(number).encode().rjust(8) * 40_000
    workspace.replace_files([Replacement(workspace.root / name, data) for name in sys.argv[2:]])
"""


def test_a_process_that_is_killed_while_it_writes_leaves_every_file_whole(tmp_path: Path) -> None:
    chance = random.Random(1)
    workspace = Workspace(tmp_path)
    names = ["one", "two", "sub/three"]
    workspace.replace_files([Replacement(tmp_path / name, b"       0" * 40_000) for name in names])
    versions: set[bytes] = set()
    for _ in range(KILLS):
        arguments = names[: chance.choice([1, 3])]
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), *arguments], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.random() * 0.03)
            process.send_signal(signal.SIGKILL)
        for name in names:
            data = (tmp_path / name).read_bytes()
            assert len(data) == 320_000 and data == data[:8] * 40_000
            versions.add(data[:8])
    assert len(versions) > 3


def test_what_a_killed_process_left_on_its_way_is_in_no_list(tmp_path: Path) -> None:
    left = tmp_path / ".vtcode-00ff00ff00ff00ff.tmp"
    left.write_text("x")
    box = Toolbox(tmp_path)
    box.write("a", "x\n")
    assert box.run("list_files").text == "a"
    assert box.run("edit_file", path="a", old_str="x", new_str="y").ok


def test_what_killed_processes_left_is_swept_when_it_is_old_and_certainly_ours(tmp_path: Path) -> None:
    left = {f".vtcode-{number:016x}.tmp": number for number in range(3)}
    others = [".vtcode-zz.tmp", ".vtcode-0000000000000009.old.tmp", "vtcode-0000000000000009.tmp", "old"]
    for name in (*left, *others):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    young, link = ".vtcode-00000000000000aa.tmp", ".vtcode-00000000000000bb.tmp"
    (tmp_path / young).write_text("x")
    (tmp_path / link).symlink_to("old")
    Workspace(tmp_path).replace_file(tmp_path / "new", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {*others, young, link, "new"}
