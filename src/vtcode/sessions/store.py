"""All sessions of a user, one folder each: found, begun, gone on with, copied, deleted."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from vtcode.events import TurnStarted
from vtcode.places import state_folder
from vtcode.sessions import SessionBusy, SessionError
from vtcode.sessions.history import History, read_history
from vtcode.sessions.lines import VERSION, Header, Line, decode, encode, stamp
from vtcode.sessions.log import Log, lock_for_reading
from vtcode.sessions.reading import MOST_BYTES, MOST_SHOWN, ReadLog, read_header, read_log
from vtcode.sessions.session import FILES, LOG, OUTPUT, Session
from vtcode.workspace import Workspace

_ID: Final = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_RANDOM_PART: Final = len("20260102T030405-")
_ABANDONED: Final = 3600
"""Seconds after which nobody is at work on a folder any more."""
_HEAD: Final = 1 << 20
_SUMMARY: Final = 8 << 20
"""Bytes of a log that are read to sum it up."""


class Found(msgspec.Struct, frozen=True):
    """A session on disk."""

    id: str
    folder: Path
    used: float
    """When it was written to last, in seconds since 1970."""

    @property
    def log(self) -> Path:
        return self.folder / LOG

    def header(self) -> Header | None:
        """Read what it works with; None when the log does not tell."""
        try:
            return read_header(self.log)
        except OSError:
            return None

    def read(self, most: int = MOST_SHOWN) -> tuple[ReadLog, History]:
        """Read it, or the newest bytes of it. Raises SessionError."""
        try:
            read = read_log(self.log, most)
        except OSError as error:
            raise SessionError(f"The session {self.id} cannot be read: {error.strerror}.") from error
        return read, read_history(read.lines)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a line."""

    id: str
    created: str
    used: str
    workspace: str
    model: str
    turns: int
    title: str
    """The first words of its first task."""
    bytes: int
    """Of its log."""


class Sessions:
    """The sessions in the user's state folder."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.folder = state_folder(environ) / "sessions"

    def found(self) -> list[Found]:
        """List the sessions, the one that was used last first."""
        sessions: list[Found] = []
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    path = Path(entry.path)
                    # One that was ended before its first line was whole never began.
                    if _ID.fullmatch(entry.name) and (status := os.lstat(path / LOG)).st_size:
                        sessions.append(Found(entry.name, path, status.st_mtime))
        return sorted(sessions, key=lambda session: (session.used, session.id), reverse=True)

    def of(self, workspace: Workspace) -> Iterator[Found]:
        """Go through the sessions of one workspace, the one that was used last first."""
        for session in self.found():
            header = session.header()
            if header is not None and header.workspace == str(workspace.root):
                yield session

    def newest(self, workspace: Workspace) -> Found:
        """Return the session of this workspace that was used last. Raises SessionError."""
        found = next(self.of(workspace), None)
        if found is None:
            raise SessionError(
                f"There is no session of {workspace.root} to go on with. `vtcode sessions list --all` lists those of "
                "other folders."
            )
        return found

    def named(self, name: str) -> Found:
        """Find a session by its id, or by a beginning of the id or of its last part. Raises SessionError."""
        everything = self.found()
        for part in (slice(None), slice(_RANDOM_PART, None)):
            matching = [session for session in everything if name and session.id[part].startswith(name)]
            if len(matching) == 1:
                return matching[0]
            if matching:
                ids = ", ".join(session.id for session in matching[:8])
                raise SessionError(f"{name!r} begins the ids of several sessions: {ids}. Give more of it.")
        raise SessionError(f"There is no session {name!r}. `vtcode sessions list --all` lists them.")

    def new(self, workspace: Workspace, secret: str = "") -> Session:
        """Begin a session; nothing is on disk before its first fact."""
        header = _new_header(workspace)
        return Session(self.folder / header.id, workspace, header, secret=secret)

    def resume(self, found: Found, workspace: Workspace, secret: str = "") -> Session:
        """Go on with a session. Raises SessionError; SessionBusy when another process has it open."""
        header = found.header()
        if header is not None and header.workspace != str(workspace.root):
            raise SessionError(
                f"The session {found.id} belongs to {header.workspace}. Go on with it there (--workspace), or with a "
                "copy of it here (--fork)."
            )
        if header is not None and header.version > VERSION:
            session = self.fork(found, workspace, secret)
            session.say(f"The session {found.id} was written by a newer vtcode: this is a copy, {session.id}.")
            return session
        return self._open(found, workspace, secret)

    def fork(self, found: Found, workspace: Workspace, secret: str = "") -> Session:
        """Copy a session and go on with the copy; the other may be open. Raises SessionError."""
        read, _ = found.read()
        header = _new_header(workspace)
        if read.header is not None:
            header = msgspec.structs.replace(
                read.header,
                id=header.id,
                created=header.created,
                workspace=header.workspace,
                version=VERSION,
                forked_from=found.id,
            )
        folder = self.folder / header.id
        aside = self.folder / f".{header.id}"
        try:
            aside.mkdir(mode=0o700)
            _copy_files(found.folder, aside)
            _write_lines(aside / LOG, header, read.lines)
            os.replace(aside, folder)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise SessionError(f"The session {found.id} could not be copied: {error.strerror}.") from error
        session = self._open(Found(header.id, folder, time.time()), workspace, secret)
        session.say(*read.problems())
        return session

    def delete(self, found: Found) -> None:
        """Delete a session with all that it keeps. Raises SessionError; SessionBusy when it is open."""
        gone = self.folder / f".{found.id}.gone"
        try:
            lock = lock_for_reading(found.log)
            try:
                # In one step, so that no half of it is left to be found.
                os.replace(found.folder, gone)
                shutil.rmtree(gone)
            finally:
                os.close(lock)
        except SessionBusy as error:
            raise SessionBusy(f"The session {found.id} is open in another vtcode, and was not deleted.") from error
        except OSError as error:
            raise SessionError(f"The session {found.id} could not be deleted: {error.strerror}.") from error

    def clean(self) -> None:
        """Remove what copies and deletions that were cut off left, and folders of sessions that never began."""
        known = {session.id for session in self.found()}
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                is_ours = _ID.match(path.name.removeprefix(".")) and path.name not in known
                if is_ours and time.time() - path.lstat().st_mtime > _ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)

    def _open(self, found: Found, workspace: Workspace, secret: str) -> Session:
        try:
            # Before it is read, so that nobody writes to it meanwhile.
            log = Log.reopen(found.log, secret)
        except OSError as error:
            raise SessionError(f"The session {found.id} cannot be opened: {error.strerror}.") from error
        try:
            read, history = found.read(MOST_BYTES)
            log.go_on_after(read.last)
        except BaseException:
            log.close()
            raise
        header = read.header or _new_header(workspace, found.id)
        session = Session(found.folder, workspace, header, log, history, secret)
        session.say(*msgspec.structs.replace(read, skipped=read.skipped + history.skipped).problems())
        session.end_cut_turn(history.endings)
        return session


def summary(found: Found) -> Summary | None:
    """Sum a session up; None when its log does not tell what it is."""
    try:
        header = read_header(found.log)
        if header is None:
            return None
        read = read_log(found.log, _SUMMARY)
        size = found.log.stat().st_size
    except OSError:
        return None
    used = stamp(found.used)
    return Summary(
        id=found.id,
        created=header.created or used,
        used=used,
        workspace=header.workspace,
        model=(read.header or header).model,
        turns=read_history(read.lines).newest,
        title=_title(found.log),
        bytes=size,
    )


def title(text: str, most: int = 72) -> str:
    """Take the first words of a text, in one line."""
    line = " ".join(text[: most * 8].split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0].rstrip() + "…"


def _title(log: Path) -> str:
    with log.open("rb") as file:
        while file.tell() < _HEAD and (data := file.readline(_HEAD)):
            line = decode(data)
            if line is not None and isinstance(line.fact, TurnStarted):
                return title(line.fact.text)
    return ""


def _new_header(workspace: Workspace, id: str = "") -> Header:
    now = time.time()
    day = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    return Header(id=id or f"{day}-{secrets.token_hex(3)}", created=stamp(now), workspace=str(workspace.root))


def _write_lines(path: Path, header: Header, lines: Iterable[Line]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        first = Line(1, header.created, header)
        file.write(encode(first))
        for line in lines:
            file.write(encode(line))
        file.flush()
        os.fsync(descriptor)


def _copy_files(source: Path, target: Path) -> None:
    for name in (FILES, OUTPUT):
        if (source / name).is_dir():
            # Contents by their digest never change, so both sessions may share them.
            shutil.copytree(source / name, target / name, copy_function=os.link if name == FILES else shutil.copyfile)
