"""Checkpoints: what files were before each change, without version control."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.sessions import logged
from vtcode import events
from vtcode.messages import AssistantMessage, Finish, Usage
from vtcode.sessions.checkpoints import Blobs
from vtcode.sessions.rewinding import Step, forced, plan, restore
from vtcode.sessions.session import Session, Setup
from vtcode.sessions.store import Sessions
from vtcode.tools.changes import Change
from vtcode.workspace import Workspace

NAMES = ("a.txt", "b.bin", "folder/c.txt", "folder/deep/d")


class Work:
    """A session that changes files, turn by turn."""

    def __init__(self, home: Path) -> None:
        (home / "work").mkdir()
        self.workspace = Workspace(home / "work")
        self.sessions = Sessions({"XDG_STATE_HOME": str(home / "state")})
        self.session = self.sessions.new(self.workspace)
        self.session.pin(Setup(model="m", provider="p", profile="full"))

    def state(self) -> dict[str, bytes]:
        root = self.workspace.root
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def turn(self, changes: Sequence[tuple[str, bytes | None]]) -> None:
        self.session.record(events.TurnStarted("go"))
        for name, data in changes:
            path = self.workspace.root / name
            before = path.read_bytes() if path.exists() else None
            if data is not None or before is not None:
                self.session.changes.commit([Change(path, data, before)])
        self.session.left()
        self.session.record(events.MessageFinished(AssistantMessage(text="done")))
        self.session.record(events.TurnFinished(Finish.STOP, "done", 1, 0, (), Usage(), 0.1))

    def reopen(self) -> Session:
        self.session.close()
        self.session = self.sessions.resume(self.sessions.newest(self.workspace), self.workspace)
        return self.session

    def steps(self, turn: int, *, force: bool = False) -> list[Step]:
        _, history = self.sessions.newest(self.workspace).read()
        steps = plan(history, turn, self.session.folder, self.workspace)
        return forced(steps) if force else steps

    def rewind(self, turn: int) -> None:
        session = self.reopen()
        restore(session, self.workspace, self.steps(turn))
        session.record(events.Rewound(turn))


@pytest.fixture
def work(home: Path) -> Work:
    return Work(home)


changes = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.none(), st.binary(max_size=30))), max_size=4)


@given(st.lists(changes, min_size=1, max_size=5), st.data())
def test_files_are_what_they_were_after_any_turn(
    tmp_path_factory: pytest.TempPathFactory, turns: list[list[tuple[str, bytes | None]]], data: st.DataObject
) -> None:
    work = Work(tmp_path_factory.mktemp("home"))
    (work.workspace.root / "a.txt").write_bytes(b"from before")
    states = [work.state()]
    for made in turns:
        work.turn(made)
        states.append(work.state())
    for _ in range(2):
        to = data.draw(st.integers(0, len(states) - 1))
        work.rewind(to)
        assert work.state() == states[to]
        del states[to + 1 :]
        work.turn(data.draw(changes))
        states.append(work.state())
    work.session.close()


def test_a_content_is_kept_once_and_for_the_owner_alone(work: Work) -> None:
    for content in (b"same", b"other", b"same", b"other"):
        work.turn([("a.txt", content)])
    files = work.session.folder / "files"
    assert sorted(path.read_bytes() for path in files.iterdir()) == [b"other", b"same"]
    assert {path.stat().st_mode & 0o777 for path in files.iterdir()} == {0o600}


def test_what_a_file_was_is_on_disk_before_it_changes(work: Work) -> None:
    path = work.workspace.root / "a.txt"
    path.write_bytes(b"old")
    work.session.record(events.TurnStarted("go"))
    # The folder is in the way, so the write itself fails.
    (work.workspace.root / "b.bin").mkdir()
    with pytest.raises(Exception, match=r"b\.bin"):
        work.session.changes.commit([Change(path, b"new", b"old"), Change(path.with_name("b.bin"), b"x", None)])
    assert path.read_bytes() == b"old"
    kept = [fact for fact in logged(work.session.folder) if fact["type"] == "file.kept"]
    assert [fact["path"] for fact in kept] in (["a.txt"], [])


def test_permission_bits_come_back_with_a_file_that_was_removed(work: Work) -> None:
    script = work.workspace.root / "a.txt"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    work.turn([("a.txt", None)])
    assert not script.exists()
    work.rewind(0)
    assert script.stat().st_mode & 0o777 == 0o755


def test_a_file_that_somebody_else_changed_is_refused_unless_forced(work: Work) -> None:
    path = work.workspace.root / "a.txt"
    path.write_bytes(b"old")
    work.turn([("a.txt", b"new")])
    path.write_bytes(b"by hand")
    (step,) = work.steps(0)
    assert step.action == "refuse" and "somebody else" in step.why
    (step,) = work.steps(0, force=True)
    assert step.action == "restore" and step.data == b"old"


def test_a_change_that_was_cut_off_is_not_taken_for_ours(work: Work) -> None:
    path = work.workspace.root / "a.txt"
    path.write_bytes(b"old")
    work.session.record(events.TurnStarted("go"))
    work.session.changes.commit([Change(path, b"new", b"old")])
    work.reopen()
    (step,) = work.steps(0)
    assert step.action == "refuse" and "cut off" in step.why
    path.write_bytes(b"old")
    (step,) = work.steps(0)
    assert step.action == "nothing"


def test_what_could_not_be_kept_is_said_by_name_and_never_made_up(work: Work) -> None:
    path = work.workspace.root / "a.txt"
    path.write_bytes(b"old")
    files = work.session.folder / "files"
    work.session.record(events.TurnStarted("go"))
    files.write_bytes(b"a file where the folder is to be")
    work.session.changes.commit([Change(path, b"new", b"old")])
    assert any("a.txt" in sentence and "rewind" in sentence for sentence in work.session.take_said())
    assert path.read_bytes() == b"new", "the work goes on"
    (step,) = work.steps(0, force=True)
    assert step.action == "refuse" and "could not be kept" in step.why


def test_a_session_keeps_no_more_than_it_may(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "files", most=100)
    name = blobs.put(b"x" * 60)
    with pytest.raises(OSError, match="earlier contents"):
        blobs.put(b"y" * 60)
    assert blobs.put(b"x" * 60) == name, "known contents cost nothing"
    with pytest.raises(OSError, match="earlier contents"):
        Blobs(tmp_path / "files", most=100).put(b"y" * 60)


def test_a_damaged_content_is_not_restored(work: Work) -> None:
    path = work.workspace.root / "a.txt"
    path.write_bytes(b"old")
    work.turn([("a.txt", b"new")])
    (blob,) = (work.session.folder / "files").iterdir()
    blob.write_bytes(b"rot")
    (step,) = work.steps(0)
    assert step.action == "refuse" and "damaged" in step.why


def test_a_path_that_leads_outside_now_is_refused(work: Work, tmp_path: Path) -> None:
    work.turn([("folder/c.txt", b"new")])
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.txt").write_bytes(b"new")
    (work.workspace.root / "folder" / "c.txt").unlink()
    (work.workspace.root / "folder").rmdir()
    os.symlink(outside, work.workspace.root / "folder")
    (step,) = work.steps(0)
    assert step.action == "refuse" and "outside" in step.why
    assert (outside / "c.txt").read_bytes() == b"new"
