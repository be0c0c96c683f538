"""Changes several files by one patch: every hunk is placed first, then all files change or none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, assert_never

import msgspec

from vtcode.tools.changes import Change
from vtcode.tools.diff import count_changes, unified_diff
from vtcode.tools.editing import encoded
from vtcode.tools.files import failed, reason_to_ask
from vtcode.tools.patchfile import Add, BadPatch, Delete, FilePatch, Update, parse_patch
from vtcode.tools.placing import Misplaced, apply_hunks
from vtcode.tools.textfile import Contents, TextFile, decode
from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext
from vtcode.workspace import WorkspaceError

_MOST_FILES: Final = 100
_SHOWN_PROBLEMS: Final = 5


class PatchArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    patch: str


class ApplyPatch(Parameters):
    """Adds, changes, moves and deletes files as one patch says, all or nothing."""

    name = "apply_patch"
    description = "Change several files at once: *** Begin Patch format or unified diff"
    arguments: type[msgspec.Struct] = PatchArguments
    effect: Effect = "writes"

    def sensitive(self, args: PatchArguments, context: ToolContext) -> str | None:
        try:
            patches = parse_patch(args.patch)
        except BadPatch:
            # The call will be refused in any case.
            return None
        reasons = (reason_to_ask(path, context, writes=True) for patch in patches for path in _paths(patch))
        return next((reason for reason in reasons if reason is not None), None)

    def preview(self, args: PatchArguments, context: ToolContext) -> Preview:
        try:
            drafts = _Drafting(context).run(args.patch)
        except WorkspaceError as error:
            return Preview("path", f"This patch will fail. {error.sentence}\n\nThe patch:\n{args.patch}")
        return Preview("diff", "\n".join(_diff(draft, context) for draft in drafts))

    async def run(self, args: PatchArguments, context: ToolContext) -> Outcome:
        try:
            drafts = _Drafting(context).run(args.patch)
            context.changes.commit([draft.change for draft in drafts])
        except WorkspaceError as error:
            return failed(f"Nothing was changed. {error.sentence}")
        told = ", ".join(_told(draft, context) for draft in drafts if not draft.is_left)
        diff = "\n".join(_diff(draft, context) for draft in drafts if not draft.is_left)
        return Outcome(True, f"Patched: {told}.", f"patched {told}", diff)


class _PatchRefused(WorkspaceError):
    """The patch does not fit the files."""


class _Draft(msgspec.Struct):
    """One file, before the patch and after it."""

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int | None = None
    is_blind: bool = False
    """Whether the old content goes, and the patch does not say what it was."""
    source: Path | None = None
    """The file that it was moved from."""
    is_left: bool = False
    """Whether it is gone because it was moved."""

    @property
    def change(self) -> Change:
        mode = self.mode if self.before is None else None
        return Change(self.path, self.after, self.before, self.is_blind, mode, self.source)


class _Drafting:
    """Works out what a patch would make of the files; changes nothing."""

    def __init__(self, context: ToolContext) -> None:
        self._context = context
        self._drafts: dict[Path, _Draft] = {}

    def run(self, text: str) -> list[_Draft]:
        """Return the files that change. Raises WorkspaceError that names all that does not fit."""
        try:
            patches = parse_patch(text)
        except BadPatch as error:
            raise _PatchRefused(str(error)) from error
        if len(patches) > _MOST_FILES:
            raise _PatchRefused(f"The patch is for {len(patches)} files; {_MOST_FILES} is the most at once.")
        problems = list(self._problems(patches))
        if problems:
            more = [f"And {len(problems) - _SHOWN_PROBLEMS} more."] if len(problems) > _SHOWN_PROBLEMS else []
            raise _PatchRefused("\n".join([*problems[:_SHOWN_PROBLEMS], *more]))
        changed = [draft for draft in self._drafts.values() if draft.before != draft.after]
        if not changed:
            raise _PatchRefused("The files are as this patch would make them.")
        return changed

    def _problems(self, patches: list[FilePatch]) -> Iterator[str]:
        for patch in patches:
            try:
                self._draft(patch)
            except Misplaced as error:
                yield f"{patch.path}: {error}"
            except WorkspaceError as error:
                yield error.sentence

    def _draft(self, patch: FilePatch) -> None:
        match patch:
            case Add(path=path, text=text, mode=mode):
                draft = self._free(path)
                draft.after, draft.mode = _utf8(path, text), mode
            case Delete(path=path, hunks=hunks):
                draft = self._there(path)
                if hunks and apply_hunks(self._text(draft), hunks):
                    raise _PatchRefused(f"{path} has more lines than the patch deletes.")
                draft.is_blind = not hunks
                draft.after = None
            case Update(path=path, hunks=hunks, moved_to=moved_to):
                draft = self._there(path)
                after = draft.after
                if hunks:
                    file = self._text(draft)
                    after = encoded(file, apply_hunks(file, hunks))
                if moved_to is None:
                    draft.after = after
                    return
                target = self._free(moved_to)
                target.after, target.mode, target.source = after, draft.mode, draft.path
                draft.after, draft.is_left = None, True
            case _:
                assert_never(patch)

    def _find(self, path: str) -> _Draft:
        """Return a file as the patch has left it so far."""
        located = self._context.workspace.locate(path)
        if located not in self._drafts:
            contents = self._context.changes.read(located)
            data, mode = (contents.data, contents.mode) if contents is not None else (None, None)
            self._drafts[located] = _Draft(located, data, data, mode)
        return self._drafts[located]

    def _there(self, path: str) -> _Draft:
        draft = self._find(path)
        if draft.after is None:
            raise _PatchRefused(f"{path} does not exist.")
        return draft

    def _free(self, path: str) -> _Draft:
        draft = self._find(path)
        if draft.after is not None:
            raise _PatchRefused(f"{path} exists already. Change it with *** Update File.")
        return draft

    def _text(self, draft: _Draft) -> TextFile:
        return _decoded(draft.path, draft.after or b"", self._context)


def _paths(patch: FilePatch) -> list[str]:
    return [patch.path, patch.moved_to] if isinstance(patch, Update) and patch.moved_to else [patch.path]


def _utf8(path: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _PatchRefused(f"The patch for {path} is not valid Unicode.") from error


def _decoded(path: Path, data: bytes, context: ToolContext) -> TextFile:
    return decode(context.workspace.relative(path), Contents(data, len(data), True, 0))


# What is told -------------------------------------------------------------------------------------------


def _texts(draft: _Draft, context: ToolContext) -> tuple[str | None, str | None]:
    """Return a file's text before and after; empty for what is not text."""

    def text(data: bytes | None) -> str | None:
        try:
            return _decoded(draft.path, data, context).text if data is not None else None
        except WorkspaceError:
            return ""

    return text(draft.before), text(draft.after)


def _diff(draft: _Draft, context: ToolContext) -> str:
    diff = unified_diff(context.workspace.relative(draft.path), *_texts(draft, context))
    return f"moved from {context.workspace.relative(draft.source)}\n{diff}" if draft.source else diff


def _told(draft: _Draft, context: ToolContext) -> str:
    shown = context.workspace.relative(draft.path)
    old, new = _texts(draft, context)
    added, removed = count_changes(old or "", new or "")
    if draft.source is not None:
        return f"{context.workspace.relative(draft.source)} moved to {shown}"
    if new is None:
        return f"{shown} deleted"
    return f"{shown} new (+{added})" if old is None else f"{shown} (+{added} -{removed})"
