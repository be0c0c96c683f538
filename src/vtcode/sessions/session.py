"""A session: what one conversation keeps, from its first fact on."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from vtcode import __version__, events
from vtcode.events import Event
from vtcode.sessions.checkpoints import Blobs, Checkpoints
from vtcode.sessions.history import History
from vtcode.sessions.lines import Fact, Header, Kept
from vtcode.sessions.log import Log
from vtcode.tools.changes import FileChanges
from vtcode.tools.spool import Spool
from vtcode.workspace import Workspace

LOG: Final = "events.jsonl"
OUTPUT: Final = "output"
FILES: Final = "files"

_IDLE: Final = (events.StepStarted, events.ApprovalAsked, events.Retrying, events.Notice)
"""Facts that nothing is done upon: the next one takes them to the disk."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation is held with."""

    model: str
    provider: str
    profile: str
    prefix: str = ""
    """Digest of what stands before the conversation in each request."""
    notes: str = ""
    """What the project says of itself now."""


class Session:
    """Keeps one conversation in a folder: its log, earlier contents of files, and whole outputs.

    Nothing is on disk before the first fact.
    """

    def __init__(
        self,
        folder: Path,
        workspace: Workspace,
        header: Header,
        log: Log | None = None,
        history: History | None = None,
        secret: str = "",
    ) -> None:
        """Begin one, or go on with one.

        Args:
            folder: need not exist for a session that begins.
            header: what is known of it; of a session that goes on, what it worked with until now.
            log: of a session that goes on, with its `history`.
            secret: never to be written, whoever says it.
        """
        self.id = header.id
        self.folder = folder
        self.spool = Spool(folder / OUTPUT)
        self.facts: tuple[Event, ...] = tuple(history.facts) if history else ()
        self.turns_before = history.turns_before if history else 0
        self._workspace = workspace
        self._header = header
        self.is_resumed = log is not None
        self._is_pinned = False
        self._log = log
        self._is_lost = False
        self._secret = secret
        self._turn = history.newest if history else 0
        self._step = 0
        self._said: list[str] = []
        self._checkpoints = Checkpoints(Blobs(folder / FILES), self._write, self.say, lambda: self._step)
        self.changes = FileChanges(workspace, keep=self._checkpoints)

    @property
    def is_kept(self) -> bool:
        """Whether it is on disk."""
        return self._log is not None

    @property
    def pinned(self) -> Header | None:
        """What a session that goes on worked with, until it is pinned to something; None for a new one."""
        return self._header if self.is_resumed and not self._is_pinned else None

    def pin(self, setup: Setup) -> str:
        """Tell what the conversation is held with, at its begin and when the user chooses another model.

        Returns:
            The notes that stand in its prompt: those that it began with.
        """
        old = self._header
        if self.pinned is not None:
            self.say(*_differences(old, setup))
        notes = old.notes if self.is_resumed or self._is_pinned else setup.notes
        self._is_pinned = True
        new = msgspec.structs.replace(
            old,
            program=__version__,
            model=setup.model,
            provider=setup.provider,
            profile=setup.profile,
            prefix=setup.prefix,
            notes=notes,
        )
        if new != old and self._log is not None:
            self._note(self._log.append([new], self._turn))
        self._header = new
        return notes

    def begin(self) -> None:
        """Have the session on disk, if that can be."""
        if self._log is not None or self._is_lost:
            return
        try:
            # Each by itself: `parents` would give those above the rights of everybody.
            for folder in (*reversed(_missing(self.folder.parent)), self.folder):
                folder.mkdir(mode=0o700)
            self._log = Log.create(self.folder / LOG, self._secret)
        except OSError as error:
            self._is_lost = True
            reason = os.strerror(error.errno or errno.EIO)
            self.say(f"This session is not kept: {self.folder.parent} cannot be written ({reason}).")
            return
        self._note(self._log.append([self._header], 0))

    def record(self, event: Event) -> str | None:
        """Keep a fact; see `vtcode.conversation.Recorder`."""
        self.begin()
        match event:
            case events.TurnStarted():
                self._turn += 1
                self._step = 0
            case events.StepStarted(number=number):
                self._step = number
            case events.Rewound(turns=turns):
                self._turn = turns
            case _:
                pass
        facts: list[Fact] = [event]
        if isinstance(event, events.ToolFinished):
            facts = [*self._checkpoints.take_left(self._workspace), event]
        if self._log is not None:
            self._note(self._log.append(facts, self._turn, is_awaited=not isinstance(event, _IDLE)))
        return " ".join(self.take_said()) or None

    def end_cut_turn(self, endings: Sequence[Event]) -> None:
        """Write down what the newest turn lacks of an end, so that each call in the log has its one answer."""
        if endings and self._log is not None:
            self._note(self._log.append(endings, self._turn))
            self.say("The last turn was cut off: what it had begun counts as interrupted.")

    def left(self) -> None:
        """Keep what files are now that were changed outside a call."""
        if self._log is not None:
            self._note(self._log.append(self._checkpoints.take_left(self._workspace), self._turn))

    def say(self, *sentences: str) -> None:
        """Have the user told, with the next fact or by `take_said`."""
        self._said += sentences

    def take_said(self) -> list[str]:
        """Return what the user is to be told, once."""
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        """Give the session up for another process."""
        if self._log is not None:
            self._log.append([], self._turn)
            self._log.close()
            self._log = None
            self._is_lost = True

    def _write(self, fact: Kept) -> None:
        self.begin()
        if self._log is not None:
            self._note(self._log.append([fact], self._turn))

    def _note(self, problem: str | None) -> None:
        if problem:
            self.say(problem)


def _missing(folder: Path) -> list[Path]:
    """Name the folders to be made, from the innermost outwards."""
    missing: list[Path] = []
    while not folder.is_dir() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    return missing


def _differences(old: Header, new: Setup) -> list[str]:
    said: list[str] = []
    if old.model and old.model != new.model:
        said.append(f"This session was held with {old.model}; it goes on with {new.model}.")
    elif old.profile and old.profile != new.profile:
        said.append(f"This session was held in the {old.profile} profile; it goes on in the {new.profile} profile.")
    elif old.prefix and old.prefix != new.prefix:
        said.append("The tools or instructions are not those that this session began with.")
    if said:
        said.append("The server reads the conversation anew.")
    return said


Opening = Callable[[], Session | None]
"""Opens the session of a run; None for a run that is not kept."""
