"""Folders and files swapped for links while tools use them: nothing outside is ever read or written."""

import contextlib
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from ctypes import c_ulong
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import pytest

from tests.agent.tools import Toolbox
from vtcode import openat
from vtcode.workspace import Workspace, WorkspaceError

TRIES = int(os.environ.get("VTCODE_TEST_RACES", "2500"))
"""Of each kind; 100,000 by hand."""

SECRET = "canary-77ae"
INSIDE = "inside"

Flip = Callable[[Path, Path], Iterator[None]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace `work` with a folder `real`, beside a folder `outside` with the same names in it."""
    for folder, text in ((tmp_path / "work" / "real", INSIDE), (tmp_path / "outside", SECRET)):
        (folder / "deep").mkdir(parents=True)
        (folder / "f").write_text(f"{text}\n")
        (folder / "deep" / "f").write_text(f"{text}\n")
    return tmp_path


def flip_folder(work: Path, outside: Path) -> Iterator[None]:
    """Let `sub` be a folder, a link to the outside, a folder, …"""
    sub, real, link = work / "sub", work / "real", work / "link"
    while True:
        try:
            link.symlink_to(outside)
            real.rename(sub)
            yield
            sub.rename(real)
            link.rename(sub)
            yield
            sub.unlink()
        except OSError:
            # What a writer made in its place meanwhile goes.
            shutil.rmtree(sub, ignore_errors=True)
            link.unlink(missing_ok=True)


def flip_file(work: Path, outside: Path) -> Iterator[None]:
    """Let `sub/f` be a file, a link to the outside, a file, …"""
    (work / "sub" / "deep").mkdir(parents=True)
    name, link, file = work / "sub" / "f", work / "link", work / "file"
    while True:
        file.write_text(f"{INSIDE}\n")
        file.replace(name)
        link.symlink_to(outside / "f")
        link.replace(name)
        yield


def repeated(flip: Flip, place: Path, flips: "Synchronized[int]") -> None:
    for _ in flip(place / "work", place / "outside"):
        flips.value += 1


def tried(place: Path, flip: Flip, attempt: Callable[[int], None], tries: int = TRIES) -> None:
    """Attempt something so many times, and as long as it takes for a fifth of as many swaps."""
    processes = multiprocessing.get_context("fork")
    flips = processes.Value(c_ulong)
    flipper = processes.Process(target=repeated, args=(flip, place, flips))
    flipper.start()
    try:
        number = 0
        started = time.monotonic()
        end = started + 30 + tries / 100
        # On a busy machine the other process may come to swap much later, or all at once.
        while number < tries or flips.value < tries // 5 or time.monotonic() < started + 0.4:
            attempt(number)
            number += 1
            assert flipper.is_alive() and time.monotonic() < end, "nothing was swapped"
    finally:
        flipper.kill()
        flipper.join()


def outside(place: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in sorted((place / "outside").rglob("*")) if path.is_file()}


WAYS = {"by one call": openat.open_beneath, "component by component": openat.walk}


def test_this_system_opens_a_path_by_one_call() -> None:
    assert sys.platform != "linux" or openat.system_opener() is not None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("flip", [flip_folder, flip_file])
def test_neither_way_to_open_a_path_follows_a_link(place: Path, flip: Flip, way: str) -> None:
    folder = os.open(place / "work", openat.FOLDER)
    read = Counter[str]()

    def attempt(_: int) -> None:
        with contextlib.suppress(OSError), open(WAYS[way](folder, ("sub", "f"), os.O_RDONLY)) as file:
            read[file.read()] += 1

    tried(place, flip, attempt)
    os.close(folder)
    assert set(read) == {f"{INSIDE}\n"}, read


def test_a_path_that_is_checked_and_then_opened_loses_this_race(place: Path) -> None:
    read = Counter[str]()
    path = place / "work" / "sub" / "f"

    def attempt(_: int) -> None:
        with contextlib.suppress(OSError):
            if path.resolve().is_relative_to(place / "work"):
                read[path.read_text()] += 1

    tried(place, flip_folder, attempt)
    assert read[f"{SECRET}\n"]


@pytest.mark.parametrize("flip", [flip_folder, flip_file])
def test_reading_never_follows_a_link_that_was_put_there_meanwhile(place: Path, flip: Flip) -> None:
    workspace = Workspace(place / "work")
    paths = [workspace.root / "sub" / "f", workspace.root / "sub" / "deep" / "f"]
    read = Counter[bytes]()

    def attempt(number: int) -> None:
        with contextlib.suppress(WorkspaceError), workspace.open_file(paths[number % 2]) as file:
            read[file.read()] += 1

    tried(place, flip, attempt)
    assert set(read) == {f"{INSIDE}\n".encode()}, read


def test_the_tool_that_reads_never_shows_what_lies_outside(place: Path) -> None:
    box = Toolbox(place / "work")
    said = Counter[str]()

    def attempt(_: int) -> None:
        said[box.run("read_file", path="sub/f").text] += 1

    tried(place, flip_folder, attempt, TRIES // 4)
    assert said[INSIDE] and len(said) > 1 and not any(SECRET in text for text in said), said


def test_writing_never_lands_outside(place: Path) -> None:
    workspace = Workspace(place / "work")
    before = outside(place)
    written = 0

    def attempt(number: int) -> None:
        nonlocal written
        name = ("sub/g", "sub/new/g", "sub/f", "sub/deep/f")[number % 4]
        with contextlib.suppress(WorkspaceError):
            workspace.replace_file(workspace.root / name, b"new")
            written += 1
        with contextlib.suppress(WorkspaceError):
            workspace.remove_file(workspace.root / "sub" / "deep" / "f")

    tried(place, flip_folder, attempt, TRIES // 4)
    assert written
    assert outside(place) == before


@pytest.mark.parametrize("path", [".", "sub", "sub/f", "sub/deep"])
def test_searching_and_listing_never_leave_the_workspace(place: Path, path: str) -> None:
    box = Toolbox(place / "work")
    (place / "outside" / "only-outside").write_text(f"{SECRET}\n")
    said = Counter[str]()

    def attempt(number: int) -> None:
        if number % 4:
            said[box.run("grep_file", pattern="canary|inside", path=path).text] += 1
        else:
            said[box.run("list_files", path=path).text] += 1

    tried(place, flip_folder, attempt, max(40, TRIES // 100))
    assert len(said) > 1 and not any(SECRET in text or "only-outside" in text for text in said), said
