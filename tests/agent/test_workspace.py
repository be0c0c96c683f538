"""Which paths a workspace takes, and how its files are written."""

import contextlib
import errno
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vtcode.workspace import PathRefused, Workspace, WriteRefused


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "work"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return Workspace(root)


# Where paths lead ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a.txt", "./a.txt", "sub/../a.txt", "sub//..//a.txt", "new/deep/a.txt"])
def test_paths_beneath_the_root_are_located(workspace: Workspace, path: str) -> None:
    (workspace.root / "sub").mkdir()
    located = workspace.locate(path)
    assert located == Path(os.path.normpath(workspace.root / path))
    assert workspace.relative(located) == os.path.normpath(path)


def test_an_absolute_path_is_taken_beneath_the_root_only(workspace: Workspace) -> None:
    assert workspace.locate(str(workspace.root / "a")) == workspace.root / "a"
    assert workspace.relative(workspace.locate(".")) == "."
    with pytest.raises(PathRefused, match="outside the workspace"):
        workspace.locate("/etc/passwd")


@pytest.mark.parametrize(
    "path",
    [
        *("", "  ", "..", "../secret.txt", "sub/../../secret.txt", "a\0b", "x" * 4097, "~/x", "~root/x"),
        *("file:///etc/passwd", "\ud800", "/", "/proc/self/cwd/../x", "../work-evil/x"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(workspace: Workspace, path: str) -> None:
    (workspace.root.parent / "work-evil").mkdir()
    with pytest.raises(PathRefused) as refused:
        workspace.locate(path)
    assert refused.value.sentence.endswith(".")


def test_links_count_by_where_they_lead(workspace: Workspace) -> None:
    (workspace.root / "real").mkdir()
    (workspace.root / "inner").symlink_to("real")
    (workspace.root / "out").symlink_to(workspace.root.parent)
    (workspace.root / "outfile").symlink_to(workspace.root.parent / "secret.txt")
    (workspace.root / "dangling").symlink_to("../not-yet")
    assert workspace.locate("inner/x") == workspace.root / "real" / "x"
    for path in ("out/secret.txt", "out", "outfile", "dangling"):
        with pytest.raises(PathRefused):
            workspace.locate(path)


def test_links_in_a_circle_end_and_are_refused(workspace: Workspace) -> None:
    (workspace.root / "a").symlink_to("b")
    (workspace.root / "b").symlink_to("a")
    with pytest.raises(PathRefused):
        workspace.locate("a")
    with pytest.raises(PathRefused):
        workspace.open_file(workspace.locate("a/x"))


@pytest.mark.parametrize("links", [50, 2000])
def test_a_long_chain_of_links_ends_at_once(workspace: Workspace, links: int) -> None:
    (workspace.root / "l0").write_text("end")
    for number in range(1, links + 1):
        (workspace.root / f"l{number}").symlink_to(f"l{number - 1}")
    started = time.monotonic()
    try:
        with workspace.open_file(workspace.locate(f"l{links}")) as file:
            assert file.read() == b"end"
    except PathRefused as refused:
        assert "its links are too many" in refused.sentence
    assert time.monotonic() - started < 1


PARTS = st.sampled_from(["..", ".", "", "sub", "out", "loop", "in", "x", "~", "/", "sub/../..", "\0", "ü", "/etc"])


@given(st.lists(PARTS | st.text(max_size=5), max_size=8).map("/".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_ever_leads_outside(workspace: Workspace, path: str) -> None:
    for name, target in (("out", "../.."), ("loop", "loop"), ("in", "sub")):
        if not (workspace.root / name).is_symlink():
            (workspace.root / name).symlink_to(target)
    (workspace.root / "sub").mkdir(exist_ok=True)
    try:
        located = workspace.locate(path)
    except PathRefused:
        return
    assert located.is_relative_to(workspace.root)
    assert Path(os.path.realpath(located)).is_relative_to(workspace.root)


# What is protected --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("vtcode.toml", ".vtcode/state", ".git/hooks/pre-commit", ".git", "vendor/lib/.git/config", ".mcp.json"),
        *(
            ".envrc",
            ".vscode/tasks.json",
            ".idea/x",
            "VTCode.TOML",
            ".GIT/config",
            ".Vscode/settings.json",
            "sub/.envrc",
            *("AGENTS.md", "docs/agents.md", ".husky/pre-commit", ".bashrc", "home/.zshenv", ".devcontainer/x"),
            *("conftest.py", "tests/conftest.py", "sitecustomize.py", ".venv/bin/python", "lib/evil.pth"),
            *(".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".gitlab-ci.yml", "Jenkinsfile", ".ci/run"),
        ),
    ],
)
def test_places_that_steer_later_runs_are_protected(workspace: Workspace, path: str) -> None:
    assert workspace.is_protected(workspace.locate(path))


@pytest.mark.parametrize(
    "path", ["a.py", ".gitignore", "git/x", "vtcode.toml.md", ".", "docs/vscode/x", ".github/x", "tests/test_x.py"]
)
def test_other_places_are_not_protected(workspace: Workspace, path: str) -> None:
    assert not workspace.is_protected(workspace.locate(path))


def test_protection_follows_links_and_git_files(workspace: Workspace) -> None:
    (workspace.root / ".vtcode").mkdir()
    (workspace.root / "innocent").symlink_to(".vtcode")
    (workspace.root / "store").mkdir()
    (workspace.root / ".git").write_text("gitdir: store\n")
    assert workspace.is_protected(workspace.locate("innocent/x"))
    assert workspace.is_protected(workspace.locate("store/hooks/post-checkout"))


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".env",
            ".env.local",
            "sub/.ENV",
            "id_rsa",
            "keys/id_ed25519",
            "server.pem",
            "tls/x.KEY",
            ".npmrc",
            ".netrc",
        ),
        *(".pypirc", ".aws/credentials", ".ssh/config", "home/.ssh/known_hosts"),
    ],
)
def test_usual_places_of_keys_are_secret(workspace: Workspace, path: str) -> None:
    assert workspace.is_secret(workspace.locate(path))


@pytest.mark.parametrize("path", ["a.py", "environment.md", "id_rsa.md", "keyboard.py", "ssh/x", "."])
def test_other_files_are_not_secret(workspace: Workspace, path: str) -> None:
    assert not workspace.is_secret(workspace.locate(path))


# Reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "folder", "root"])
def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    workspace = Workspace(tmp_path)
    path = tmp_path / "odd"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            socket.socket(socket.AF_UNIX).bind(str(path))
        case "device":
            # Made by root only; a link is the way everyone could come upon one, and it leads outside.
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            path = tmp_path
    started = time.monotonic()
    with pytest.raises(PathRefused):
        workspace.open_file(path)
    assert time.monotonic() - started < 1


def test_a_folder_swapped_for_a_link_never_leads_outside(workspace: Workspace) -> None:
    outside = workspace.root.parent / "outside"
    inside = workspace.root / "inside"
    for folder in (outside, inside):
        folder.mkdir()
        (folder / "f").write_text(folder.name)
    sub = workspace.root / "sub"
    read = set[bytes]()

    def swap() -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(sub)
        with contextlib.suppress(OSError):
            sub.symlink_to(outside)
            sub.unlink()
        with contextlib.suppress(OSError):
            inside.rename(sub)
            sub.rename(inside)

    with repeated(swap):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            with contextlib.suppress(PathRefused), workspace.open_file(sub / "f") as file:
                read.add(file.read())
            with contextlib.suppress(WriteRefused):
                workspace.replace_file(sub / "g", b"new")
    assert read <= {b"inside", b"new"}
    assert names(outside) == ["f"]
    assert (outside / "f").read_text() == "outside"


@contextlib.contextmanager
def repeated(action: Callable[[], None]) -> Generator[None]:
    """Do something over and over in the background."""
    done = threading.Event()

    def repeat() -> None:
        while not done.is_set():
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


# Writing ------------------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o027)
    yield
    os.umask(old)


@pytest.mark.usefixtures("umask")
def test_a_new_file_gets_its_folders_and_an_ordinary_mode(workspace: Workspace) -> None:
    path = workspace.locate("new/deep/file.txt")
    workspace.replace_file(path, b"text")
    assert path.read_bytes() == b"text"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(path.parent) == ["file.txt"]


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o755), (0o600, 0o600), (0o4755, 0o755)])
def test_a_replaced_file_keeps_its_mode_but_no_special_rights(workspace: Workspace, before: int, after: int) -> None:
    path = workspace.root / "tool"
    path.write_text("old")
    path.chmod(before)
    workspace.replace_file(path, b"new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == after


def test_a_replaced_file_keeps_its_list_of_rights_and_its_notes(workspace: Workspace) -> None:
    path = workspace.root / "f"
    path.write_text("old")
    # Version 2: the owner reads and writes, user 1 too, the group only reads; the mask lets all of them.
    entries = [(1, 6, -1), (2, 6, 1), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
    rights = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "user.note", b"kept")
        os.setxattr(path, "system.posix_acl_access", rights)
    except OSError as error:
        pytest.skip(f"this file system has no such attributes ({error.strerror})")
    workspace.replace_file(path, b"new")
    assert path.read_text() == "new"
    assert os.getxattr(path, "user.note") == b"kept"
    assert os.getxattr(path, "system.posix_acl_access") == rights


def test_a_hard_link_outside_keeps_its_content(workspace: Workspace) -> None:
    outside = workspace.root.parent / "secret.txt"
    os.link(outside, workspace.root / "linked")
    workspace.replace_file(workspace.root / "linked", b"new")
    assert outside.read_text() == "secret"


def test_folders_and_read_only_files_are_not_replaced(workspace: Workspace) -> None:
    (workspace.root / "folder").mkdir()
    kept = workspace.root / "kept"
    kept.write_text("old")
    kept.chmod(0o444)
    os.mkfifo(workspace.root / "fifo")
    for path in (workspace.root / "folder", workspace.root, kept, kept / "beneath", workspace.root / "fifo"):
        with pytest.raises(WriteRefused):
            workspace.replace_file(path, b"new")
    assert kept.read_text() == "old"
    assert names(workspace.root) == ["fifo", "folder", "kept"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    script = """
import sys
from vtcode.workspace import Workspace, WriteRefused
workspace = Workspace(sys.argv[1])
path = workspace.root / "kept"
workspace.replace_file(path, b"old")
try:
    workspace.replace_file(path, bytes(1_000_000))
except WriteRefused as refused:
    print(refused.sentence)
print(path.read_text(), [file.name for file in workspace.root.iterdir()])
"""
    box = ["bwrap", "--bind", "/", "/", "--size", "65536", "--tmpfs", str(tmp_path)]
    ended = subprocess.run(
        [*box, sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.stdout.splitlines() == ["kept was not written: the disk is full.", "old ['kept']"], ended


def test_reasons_are_in_words(workspace: Workspace) -> None:
    with pytest.raises(PathRefused, match=r"^nothing\.txt cannot be read: it does not exist\.$") as refused:
        workspace.open_file(workspace.locate("nothing.txt"))
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.ENOENT
