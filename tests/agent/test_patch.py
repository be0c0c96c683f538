"""Patches: their two forms, where their hunks go, and that all of their files change or none."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.tools import Toolbox
from vtcode.tools.diff import unified_diff


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    root = tmp_path / "work"
    root.mkdir()
    return Toolbox(root)


def tree(box: Toolbox) -> dict[str, bytes]:
    return {str(path.relative_to(box.root)): path.read_bytes() for path in box.root.rglob("*") if path.is_file()}


def patched(box: Toolbox, patch: str) -> str:
    outcome = box.run("apply_patch", patch=patch)
    assert outcome.ok, outcome.text
    return outcome.text


def refused(box: Toolbox, patch: str) -> str:
    before = tree(box)
    outcome = box.run("apply_patch", patch=patch)
    assert not outcome.ok and outcome.text.startswith("Nothing was changed. ")
    assert tree(box) == before
    return outcome.text.removeprefix("Nothing was changed. ")


SHOP = """\
class Apple:
    def price(self):
        return 1

    def name(self):
        return "apple"


class Pear:
    def price(self):
        return 1

    def name(self):
        return "pear"
"""


# *** Begin Patch ----------------------------------------------------------------------------------------


def test_one_patch_adds_changes_moves_and_deletes(box: Toolbox) -> None:
    box.write("shop.py", SHOP)
    box.write("old.txt", "gone\n")
    box.write("a/from.txt", "one\ntwo\n")
    box.run("read_file", path="old.txt")
    text = patched(
        box,
        """*** Begin Patch
*** Add File: new/deep.txt
+first
+
+third
*** Update File: shop.py
@@ class Pear:
     def name(self):
-        return "pear"
+        return "a pear"
*** Delete File: old.txt
*** Update File: a/from.txt
*** Move to: b/to.txt
@@
 one
-two
+2
*** End Patch""",
    )
    assert tree(box) == {
        "new/deep.txt": b"first\n\nthird\n",
        "shop.py": SHOP.replace('"pear"', '"a pear"').encode(),
        "b/to.txt": b"one\n2\n",
    }
    assert text == ("Patched: new/deep.txt new (+3), shop.py (+1 -1), old.txt deleted, a/from.txt moved to b/to.txt.")


def test_a_scope_tells_two_equal_places_apart_and_without_it_neither_is_changed(box: Toolbox) -> None:
    box.write("shop.py", SHOP)
    hunk = "     def price(self):\n-        return 1\n+        return 2\n"
    told = refused(box, f"*** Begin Patch\n*** Update File: shop.py\n@@\n{hunk}*** End Patch")
    assert told.startswith('shop.py: The hunk fits in 2 places (lines 2, 10): "def price(self):".')
    patched(box, f"*** Begin Patch\n*** Update File: shop.py\n@@ class Pear\n{hunk}*** End Patch")
    apple, pear = (box.root / "shop.py").read_text().split("class Pear")
    assert "return 1" in apple and "return 2" in pear
    patched(box, f"*** Begin Patch\n*** Update File: shop.py\n@@ class Apple\n@@ def price\n{hunk[22:]}*** End Patch")
    assert "return 1" not in (box.root / "shop.py").read_text()


def test_hunks_go_one_after_the_other(box: Toolbox) -> None:
    box.write("f", "x\na\nx\nb\nx\n")
    patched(box, "*** Begin Patch\n*** Update File: f\n@@\n-a\n+A\n x\n@@\n-b\n+B\n@@\n-x\n+y\n*** End Patch")
    assert (box.root / "f").read_text() == "x\nA\nx\nB\ny\n"


@pytest.mark.parametrize(
    ("before", "body", "after"),
    [
        ("a\nb\n", "@@\n+new\n*** End of File\n", "a\nb\nnew\n"),
        ("a\nb", "@@\n+new\n*** End of File\n", "a\nb\nnew"),
        ("", "@@\n+new\n", "new\n"),
        ("def f():\n    pass\n", "@@ def f():\n+    work()\n", "def f():\n    work()\n    pass\n"),
        ("x\ny\nx\n", "@@\n-x\n+z\n*** End of File\n", "x\ny\nz\n"),
        ("a\n\nb\n", "@@\n a\n\n-b\n+c\n", "a\n\nc\n"),
        ("a\r\nb\r\nc\r\n", "@@\n a\n-b\n+x\n+y\n", "a\r\nx\r\ny\r\nc\r\n"),
        ("a\r\nb", "@@\n-b\n+x\n+y\n", "a\r\nx\r\ny"),
        ("def f():\n\tif x:\n\t\treturn 1\n", "@@\n     if x:\n-        return 1\n+        y()\n", None),
        ("a\nb\n", "@@\n-a\n-b\n", ""),
    ],
)
def test_hunks_are_applied(box: Toolbox, before: str, body: str, after: str | None) -> None:
    path = box.write("f", before)
    patched(box, f"*** Begin Patch\n*** Update File: f\n{body}*** End Patch")
    assert path.read_bytes().decode() == ("def f():\n\tif x:\n\t\ty()\n" if after is None else after)


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ("nothing", "The patch names no file."),
        ("", "The patch names no file."),
        ("*** Begin Patch\n*** End Patch", "The patch names no file."),
        ("*** Begin Patch\n*** Change File: f\n*** End Patch", 'Expected "*** Update File: PATH"'),
        ("*** Begin Patch\n*** Update File: f\n*** End Patch", "*** Update File: f has no lines that go or come."),
        (
            "*** Begin Patch\n*** Update File: f\n@@\nb\n*** End Patch",
            'begins with neither a blank, "-" nor "+": "b".',
        ),
        ("*** Begin Patch\n*** Update File: f\n@@\n+b\n*** End Patch", "f: The hunk only adds lines"),
        ("*** Begin Patch\n*** Update File: f\n@@ def g\n+b\n*** End Patch", 'f: The hunk is said to be at "def g"'),
        (
            "*** Begin Patch\n*** Update File: f\n@@\n a\n*** End Patch",
            "The files are as this patch would make them.",
        ),
        (
            "*** Begin Patch\n*** Update File: f\n@@\n-a\n+b\n@@\n-a\n+c\n*** End Patch",
            "f: Hunk 2 changes lines that an earlier hunk has changed.",
        ),
        ("*** Begin Patch\n*** Update File: nowhere\n@@\n-a\n+b\n*** End Patch", "nowhere does not exist."),
        ("*** Begin Patch\n*** Add File: f\n+b\n*** End Patch", "f exists already."),
        ("*** Begin Patch\n*** Add File: g\nb\n*** End Patch", 'Lines of *** Add File: g begin with "+"'),
        ("*** Begin Patch\n*** Update File: f\n*** Move to: kept\n*** End Patch", "kept exists already."),
        ("*** Begin Patch\n*** Delete File: f\n*** End Patch", "f exists, and you have not read it."),
        ("*** Begin Patch\n*** Add File: ../out\n+b\n*** End Patch", "../out is outside the workspace."),
        (
            "*** Begin Patch\n*** Update File: f\n*** Move to: /tmp/x\n*** End Patch",
            "/tmp/x is outside the workspace.",
        ),
        ("*** Begin Patch\n*** Update File: bin\n@@\n-a\n+b\n*** End Patch", "bin is a binary file (4 bytes)"),
        ("*** Begin Patch\n*** Add File: f/g\n+b\n*** End Patch", "f/g was not written"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-q\n+b\n", 'f: The hunk was not found: "q". Read'),
        ("diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", "This is more than a change of text"),
        (
            "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
            "no ordinary file",
        ),
        ("diff --git a/f b/f\nBinary files a/f and b/f differ\n", "This is more than a change of text"),
        ("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n", "f: The hunk was not found"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(box: Toolbox, patch: str, told: str) -> None:
    box.write("f", "a\n")
    box.write("kept", "kept\n")
    box.write("bin", b"a\0b\n")
    assert told in refused(box, patch)


def test_all_that_does_not_fit_is_told_at_once(box: Toolbox) -> None:
    for name in "ab":
        box.write(name, "one\ntwo\nthree\n")
    told = refused(
        box,
        "*** Begin Patch\n*** Add File: new\n+x\n*** Update File: a\n@@\n one\n-tow\n+2\n"
        "*** Update File: b\n@@\n-four\n+4\n*** Update File: c\n@@\n-x\n+y\n*** End Patch",
    )
    assert told.splitlines() == [
        'a: The hunk was not found: "one". The nearest are lines 1-2:',
        "1: one",
        "2: two",
        "Read the file and copy its lines exactly.",
        'b: The hunk was not found: "four". Read the file and copy its lines exactly.',
        "c does not exist.",
    ]


def test_a_patch_is_for_a_hundred_files_at_most(box: Toolbox) -> None:
    patch = "".join(f"*** Add File: {n}\n+x\n" for n in range(101))
    assert refused(box, patch) == "The patch is for 101 files; 100 is the most at once."


def test_several_parts_for_one_file_build_on_each_other(box: Toolbox) -> None:
    box.write("f", "a\n")
    patched(box, "*** Add File: g\n+x\n*** Update File: f\n@@\n-a\n+b\n*** Update File: f\n@@\n-b\n+c\n")
    assert tree(box) == {"f": b"c\n", "g": b"x\n"}


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ("*** Update File: a\n@@\n-a\n+b\n*** Add File: sub/../vtcode.toml\n+x\n", "vtcode.toml is protected"),
        ("*** Update File: a\n*** Move to: .git/hooks/pre-commit\n", ".git/hooks/pre-commit is protected"),
        ("--- /dev/null\n+++ b/.vtcode/x\n@@ -0,0 +1 @@\n+x\n", ".vtcode/x is protected"),
        ("diff --git a/a b/.envrc\nrename from a\nrename to .envrc\n", ".envrc is protected"),
        ("*** Delete File: id_rsa\n", "id_rsa may hold secrets"),
        ("*** Update File: a\n@@\n-a\n+b\n", None),
        ("*** Add File: ../x\n+x\n", None),
        ("nonsense", None),
    ],
)
def test_protected_files_in_a_patch_are_asked_for(box: Toolbox, patch: str, reason: str | None) -> None:
    assert box.sensitive("apply_patch", patch=patch) == reason


def test_the_preview_is_the_whole_diff_and_changes_nothing(box: Toolbox) -> None:
    box.write("a", "one\n")
    box.write("b", "two\n")
    box.run("read_file", path="b")
    before = tree(box)
    preview = box.preview(
        "apply_patch", patch="*** Update File: a\n@@\n-one\n+1\n*** Delete File: b\n*** Add File: c\n+3"
    )
    assert preview.kind == "diff" and tree(box) == before
    assert preview.text.splitlines() == [
        *("--- a/a", "+++ b/a", "@@ -1,1 +1,1 @@", "-one", "+1"),
        *("--- a/b", "+++ /dev/null", "@@ -1,1 +0,0 @@", "-two"),
        *("--- /dev/null", "+++ b/c", "@@ -0,0 +1,1 @@", "+3"),
    ]
    assert (
        "will fail. x does not exist.\n\nThe patch:\n" in box.preview("apply_patch", patch="*** Delete File: x").text
    )


# Unified diffs ------------------------------------------------------------------------------------------

LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "-- x", "++ y", "@@ z", "\\ w", "*** v", "é\r"]), max_size=12)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))
"""Lines that look like a patch's own."""


@given(TEXTS, TEXTS)
@settings(max_examples=150)
def test_our_own_diffs_give_the_new_text(tmp_path_factory: pytest.TempPathFactory, old: str, new: str) -> None:
    if old == new or ("\r\n" in old and "\r\n" in new):
        return
    box = Toolbox(tmp_path_factory.mktemp("w"))
    path = box.write("f", old)
    patched(box, unified_diff("f", old, new))
    assert path.read_bytes().decode() == new


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=n", "-c", "user.email=e", "-c", "core.autocrlf=false")
    return subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, check=True).stdout.decode()


def test_what_git_prints_gives_what_git_has(tmp_path: Path) -> None:
    chance = random.Random(4)
    box = Toolbox(tmp_path)
    git(box.root, "init", "-q")

    def text(seed: list[str]) -> str:
        lines = [chance.choice([line, line, line, f"{line}!", "", "x"]) for line in seed]
        return "\n".join(lines) + chance.choice(["", "\n", "\n"])

    seeds = {
        name: [f"{name} {n % 9}" for n in range(chance.randrange(60))] for name in ("a", "b c", "d/é", 'q"t', "gone")
    }
    for name, seed in seeds.items():
        box.write(name, text(seed))
    box.write("moved", "".join(f"line {n}\n" for n in range(30)))
    box.write("empty", "")
    git(box.root, "add", "-A")
    git(box.root, "commit", "-qm", "one")
    for round_ in range(12):
        old = tree_of_work(box)
        for name, seed in seeds.items():
            box.write(name, text(seed))
        (box.root / "gone").unlink()
        source, target = ("moved", "to/here") if round_ % 2 == 0 else ("to/here", "moved")
        (box.root / target).parent.mkdir(exist_ok=True)
        (box.root / source).rename(box.root / target)
        box.write("empty" if round_ % 2 else "void", "")
        (box.root / ("void" if round_ % 2 else "empty")).unlink()
        new = tree_of_work(box)
        git(box.root, "add", "-A")
        diff = git(box.root, "diff", "--cached", "-M", "HEAD")
        git(box.root, "commit", "-qm", "next")
        git(box.root, "checkout", "-q", "HEAD~1")
        assert tree_of_work(box) == old
        box = Toolbox(box.root)
        patched(box, diff)
        assert tree_of_work(box) == new
        git(box.root, "checkout", "-qf", "-")
        box.write("gone", text(seeds["gone"]))
        git(box.root, "add", "-A")
        git(box.root, "commit", "-qm", "again")


def tree_of_work(box: Toolbox) -> dict[str, bytes]:
    return {name: data for name, data in tree(box).items() if not name.startswith(".git/")}


@pytest.mark.parametrize(
    "patch",
    [
        "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
        "--- a/f\t2020-01-01 00:00:00\n+++ b/f\t2020-01-01\n@@ -40,9 +41,2 @@ wrong numbers\n a\n-b\n+B\n c\n",
        "Here it is:\n\n```diff\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n```\n",
        "*** Begin Patch\n*** Update File: f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n*** End Patch\n",
        "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: f\n@@\n a\n-b\n+B\n*** End Patch\nEOF\n",
        "*** Update File: f\n a\n-b\n+B\n",
        "From 1\n\ndiff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -2 +2 @@\n-b\n+B\n-- \n2.39\n",
        "--- a/f\r\n+++ b/f\r\n@@ -1,2 +1,2 @@\r\n a\r\n-b\r\n+B\r\n",
    ],
)
def test_patches_as_models_write_them_are_read(box: Toolbox, patch: str) -> None:
    path = box.write("f", "a\nb\nc\n")
    patched(box, patch)
    assert path.read_text() == "a\nB\nc\n"


def test_line_numbers_choose_among_equal_places(box: Toolbox) -> None:
    path = box.write("f", "x\ny\n" * 5)
    patched(box, "--- a/f\n+++ b/f\n@@ -5 +5 @@\n-x\n+z\n")
    assert path.read_text() == "x\ny\n" * 2 + "z\ny\n" + "x\ny\n" * 2
    assert "fits in 4 places (lines 1, 3, 7, 9)" in refused(box, "--- a/f\n+++ b/f\n@@ -4 +4 @@\n-x\n+z\n")


@given(st.text(alphabet='*-+@ \n\\"abfile/:0,1<>BeginPatchUpdateFAdEnd', max_size=200))
@settings(max_examples=200)
def test_no_text_is_more_than_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    box = Toolbox(tmp_path_factory.mktemp("w"))
    box.write("a", "a\nb\n")
    for patch in (text, f"*** Begin Patch\n*** Update File: a\n{text}", f"--- a/a\n+++ b/a\n@@ -1 +1 @@\n{text}"):
        outcome = box.run("apply_patch", patch=patch)
        assert outcome.ok or outcome.text.startswith("Nothing was changed. ")


def test_a_patch_of_a_megabyte_is_placed_within_seconds(box: Toolbox) -> None:
    lines = [f"value {n} = {n * 7}" for n in range(30_000)]
    box.write("f", "\n".join(lines) + "\n")
    body = "".join(f" {line}\n-{line} gone\n" for line in lines[:1])
    refused(box, f"*** Update File: f\n@@\n{body}")
    patched(box, "*** Update File: f\n@@\n" + "".join(f"-{line}\n+{line}!\n" for line in lines))
    assert (box.root / "f").read_text() == "".join(f"{line}!\n" for line in lines)


# All or nothing -----------------------------------------------------------------------------------------

RUN = """
import asyncio, json, resource, sys
from pathlib import Path
from tests.agent.tools import Toolbox
root, patch, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
outcome = Toolbox(root).run("apply_patch", patch=patch)
print(json.dumps([outcome.ok, outcome.text]))
"""


def patch_within(box: Toolbox, patch: str, *wrapper: str, limit: int = 0) -> tuple[bool, str]:
    """Apply a patch in a process of its own, where something is in the way."""
    script = [sys.executable, "-c", RUN, str(box.root), patch, str(limit)]
    ended = subprocess.run([*wrapper, *script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    ok, text = json.loads(ended.stdout)
    return ok, text


THREE = (
    "*** Update File: a\n@@\n-1\n+one\n*** Add File: new/deep/b\n+2\n*** Update File: away/c\n@@\n-3\n+three\n"
    "*** Update File: d\n*** Move to: e\n*** Update File: last\n@@\n-5\n+five\n"
)


@pytest.fixture
def files(box: Toolbox) -> dict[str, bytes]:
    for number, name in enumerate(("a", "b", "away/c", "d", "last"), 1):
        box.write(name, f"{number}\n").chmod(0o640)
    (box.root / "b").unlink()
    return tree(box)


def test_without_anything_in_the_way_all_change(box: Toolbox, files: dict[str, bytes]) -> None:
    ok, text = patch_within(box, THREE)
    assert ok, text
    assert tree(box) == {"a": b"one\n", "new/deep/b": b"2\n", "away/c": b"three\n", "e": b"4\n", "last": b"five\n"}
    assert {path.stat().st_mode & 0o777 for path in (box.root / "a", box.root / "e")} == {0o640}


@pytest.mark.parametrize("target", ["a", "away/c", "d", "last"])
def test_when_one_file_cannot_be_replaced_those_before_it_are_put_back(
    box: Toolbox, files: dict[str, bytes], target: str
) -> None:
    # Nothing can be renamed over a place where something is mounted: it fails only when all others are ready.
    path = str(box.root / target)
    inodes = {name: (box.root / name).stat().st_ino for name in files}
    ok, text = patch_within(box, THREE, "bwrap", "--dev-bind", "/", "/", "--bind", path, path)
    assert not ok
    assert text.startswith(f"Nothing was changed. {target} was not ") and "not be put back" not in text
    assert tree(box) == files
    assert {name: (box.root / name).stat().st_ino for name in files} == inodes
    assert sorted(os.listdir(box.root)) == ["a", "away", "d", "last"]


def test_a_read_only_folder_stops_the_whole_patch(box: Toolbox, files: dict[str, bytes]) -> None:
    away = str(box.root / "away")
    ok, text = patch_within(box, THREE, "bwrap", "--dev-bind", "/", "/", "--ro-bind", away, away)
    assert (ok, text) == (False, "Nothing was changed. away/c was not written: permission is denied.")
    assert tree(box) == files
    assert sorted(os.listdir(box.root)) == ["a", "away", "d", "last"]


def test_a_file_that_is_too_large_stops_the_whole_patch(box: Toolbox, files: dict[str, bytes]) -> None:
    ok, text = patch_within(box, THREE + "*** Add File: z\n+" + "x" * 5000, limit=4096)
    assert (ok, text) == (False, "Nothing was changed. z was not written: it would be too large.")
    assert tree(box) == files
    assert sorted(os.listdir(box.root)) == ["a", "away", "d", "last"]


def test_a_full_disk_stops_the_whole_patch(box: Toolbox, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from tests.agent.tools import Toolbox
box = Toolbox(Path(sys.argv[1]))
box.write("a", "1\\n")
text = "*** Update File: a\\n@@\\n-1\\n+one\\n*** Add File: big\\n+" + "x" * 200_000
print(box.run("apply_patch", patch=text).text, {p.name: p.read_text() for p in box.root.iterdir()})
"""
    bwrap = ["bwrap", "--dev-bind", "/", "/", "--size", "65536", "--tmpfs", str(box.root)]
    ended = subprocess.run(
        [*bwrap, sys.executable, "-c", script, str(box.root)], capture_output=True, text=True, check=False
    )
    expected = "Nothing was changed. big was not written: the disk is full. {'a': '1\\n'}\n"
    assert ended.stdout == expected, ended.stderr
