"""Taking a session back to the end of an earlier turn: its files, its conversation, or both."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from vtcode.events import Rewound
from vtcode.sessions import SessionError
from vtcode.sessions.checkpoints import Blobs, content
from vtcode.sessions.history import History, Turn
from vtcode.sessions.lines import Kept, Left
from vtcode.sessions.session import FILES, Session
from vtcode.tools.changes import Change
from vtcode.workspace import Workspace, WorkspaceError

Action = Literal["restore", "remove", "nothing", "refuse"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one file."""

    path: str
    action: Action
    data: bytes | None = None
    """What it is to be; None for no file."""
    now: bytes | None = None
    """What it is."""
    mode: int | None = None
    why: str = ""
    """Of a refusal."""
    is_forceable: bool = False
    """Whether a refusal can be overridden, since what was there is still known."""


def checked_turn(history: History, turn: int) -> int:
    """Return the turn, if one can go back to its end. Raises SessionError."""
    known = [0, *(turn.number for turn in history.turns)] if not history.turns_before else []
    known = known or [turn.number for turn in history.turns]
    if turn in known:
        return turn
    if not history.turns:
        raise SessionError("This session has no turns to go back to.")
    raise SessionError(f"There is no turn {turn} to go back to: turns {known[0]} to {known[-1]} can be named.")


def undone(history: History, turn: int) -> list[Turn]:
    """List the turns that would stand no more."""
    return [later for later in history.turns if later.number > turn]


def plan(history: History, turn: int, folder: Path, workspace: Workspace) -> list[Step]:
    """Say what each file needs to be what it was at the end of a turn (0: before the first)."""
    end = next((known.through for known in history.turns if known.number == turn), 0)
    first: dict[str, Kept] = {}
    last: dict[str, Left | None] = {}
    for placed in history.files:
        if placed.n <= end:
            continue
        match placed.fact:
            case Kept() as kept:
                # What it was then is what it was before the first change after.
                first.setdefault(kept.path, kept)
                last[kept.path] = None
            case Left() as left if left.path in first:
                last[left.path] = left
            case Left():
                pass
    blobs = Blobs(folder / FILES)
    return [_step(kept, last[path], blobs, workspace) for path, kept in sorted(first.items())]


def _step(kept: Kept, left: Left | None, blobs: Blobs, workspace: Workspace) -> Step:
    path = kept.path
    if kept.lost:
        return Step(path=path, action="refuse", why=f"what it was could not be kept: {kept.lost}")
    data = blobs.get(kept.blob) if kept.blob is not None else None
    if data is None and kept.blob is not None:
        return Step(path=path, action="refuse", why="what it was is no longer in the session's folder, or is damaged")
    try:
        now = content(workspace, path)
    except WorkspaceError as error:
        return Step(path=path, action="refuse", why=str(error))
    if now == data:
        return Step(path=path, action="nothing", data=data, now=now)
    why = _changed_since(now, left)
    action: Action = "refuse" if why else "remove" if data is None else "restore"
    return Step(path=path, action=action, data=data, now=now, mode=kept.mode, why=why, is_forceable=bool(why))


def _changed_since(now: bytes | None, left: Left | None) -> str:
    if left is None:
        return "the call that changed it was cut off, so it is not known whose its content is"
    if (None if now is None else hashlib.sha256(now).hexdigest()) != left.digest:
        return "it was changed since by somebody else"
    return ""


def forced(steps: Iterable[Step]) -> list[Step]:
    """Override the refusals that can be."""
    return [
        msgspec.structs.replace(step, action="remove" if step.data is None else "restore")
        if step.action == "refuse" and step.is_forceable
        else step
        for step in steps
    ]


def restore(session: Session, workspace: Workspace, steps: Iterable[Step]) -> None:
    """Make all of these changes to files, or none; they are checkpoints themselves.

    Raises:
        WorkspaceError: nothing was changed.
    """
    changes = [
        Change(workspace.locate(step.path), step.data, step.now, mode=step.mode)
        for step in steps
        if step.action in {"restore", "remove"}
    ]
    if changes:
        session.changes.commit(changes)
        session.left()


def rewind_conversation(session: Session, turn: int) -> str | None:
    """Have the turns up to this one stand; the log keeps the others. Returns a sentence when it failed."""
    return session.record(Rewound(turn))
