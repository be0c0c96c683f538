"""Reads, edits and writes text files of the workspace."""

import contextlib
import difflib
import errno
from pathlib import Path
from typing import Final

import msgspec

from vtcode.tools.changes import Change, digest
from vtcode.tools.diff import count_changes, unified_diff
from vtcode.tools.editing import EditRefused, encoded, replaced, unix
from vtcode.tools.excerpt import Beyond, excerpt, plural, split_lines
from vtcode.tools.textfile import Contents, TextFile, decode, read_contents, read_stream
from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext
from vtcode.workspace import PathRefused, Workspace, WorkspaceError

_NAMES_AMONG: Final = 2_000
"""Names in a folder that are looked at for the one nearest to a name that is not there."""


class ReadArguments(msgspec.Struct, frozen=True):
    path: str
    start: int | None = None
    end: int | None = None
    numbers: bool | None = None


class EditArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    old_str: str
    new_str: str


class WriteArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    content: str


class ReadFile(Parameters):
    """Shows a file, or some of its lines, as far as the output limit goes."""

    name = "read_file"
    description = "Read a file, or its lines start to end"
    arguments: type[msgspec.Struct] = ReadArguments
    effect: Effect = "reads"

    def sensitive(self, args: ReadArguments, context: ToolContext) -> str | None:
        return reason_to_ask(args.path, context, writes=False)

    def preview(self, args: ReadArguments, context: ToolContext) -> Preview:
        return Preview("path", args.path)

    async def run(self, args: ReadArguments, context: ToolContext) -> Outcome:
        kept = context.spool.find(args.path) if context.spool is not None else None
        try:
            if kept is not None:
                with kept.open("rb", buffering=0) as stream:
                    return _show(args.path, read_stream(args.path, stream), args, context)
            path = context.workspace.locate(args.path)
            return _show(
                context.workspace.relative(path), read_contents(context.workspace, path), args, context, path
            )
        except WorkspaceError as error:
            return failed(error.sentence + _nearest_name(context.workspace, args.path, error))


class EditFile(Parameters):
    """Replaces one passage of a file, given word for word."""

    name = "edit_file"
    description = "Replace old_str, which must occur once in the file, with new_str"
    arguments: type[msgspec.Struct] = EditArguments
    effect: Effect = "writes"

    def sensitive(self, args: EditArguments, context: ToolContext) -> str | None:
        return reason_to_ask(args.path, context, writes=True)

    def preview(self, args: EditArguments, context: ToolContext) -> Preview:
        try:
            path, _, file, text = _edited(args, context)
        except WorkspaceError as error:
            return Preview("path", f"{args.path}: this edit will fail. {error.sentence}")
        return Preview("diff", unified_diff(context.workspace.relative(path), file.text, text))

    async def run(self, args: EditArguments, context: ToolContext) -> Outcome:
        try:
            path, before, file, text = _edited(args, context)
            context.changes.commit([Change(path, encoded(file, text), before)])
        except WorkspaceError as error:
            return failed(error.sentence + _nearest_name(context.workspace, args.path, error))
        shown = context.workspace.relative(path)
        added, removed = count_changes(file.text, text)
        told = f"{shown} (+{added} -{removed})"
        return Outcome(True, f"Edited {told}.", f"edited {told}", unified_diff(shown, file.text, text))


class WriteFile(Parameters):
    """Makes a file with the given content, in the place of what was there."""

    name = "write_file"
    description = "Create or overwrite a file"
    arguments: type[msgspec.Struct] = WriteArguments
    effect: Effect = "writes"

    def sensitive(self, args: WriteArguments, context: ToolContext) -> str | None:
        return reason_to_ask(args.path, context, writes=True)

    def preview(self, args: WriteArguments, context: ToolContext) -> Preview:
        try:
            change, old, new = _written(args, context)
        except WorkspaceError as error:
            sentence = f"{args.path}: this write will fail. {error.sentence}"
            return Preview("path", f"{sentence}\n\nThe content:\n{args.content}")
        return Preview("diff", unified_diff(context.workspace.relative(change.path), old, new))

    async def run(self, args: WriteArguments, context: ToolContext) -> Outcome:
        try:
            change, old, new = _written(args, context)
            context.changes.commit([change])
        except WorkspaceError as error:
            return failed(error.sentence)
        shown = context.workspace.relative(change.path)
        size = plural(len(split_lines(args.content)), "line")
        verb = "created" if change.before is None else "overwrote"
        diff = unified_diff(shown, old, new)
        return Outcome(True, f"Wrote {shown} ({size}).", f"{verb} {shown} ({size})", diff)


def reason_to_ask(path: str, context: ToolContext, *, writes: bool) -> str | None:
    """Return why a call on this path is asked for whatever the policy, or None."""
    try:
        located = context.workspace.locate(path)
    except PathRefused:
        # The call will be refused in any case.
        return None
    shown = context.workspace.relative(located)
    if writes and context.workspace.is_protected(located):
        return f"{shown} is protected"
    if context.workspace.is_secret(located):
        return f"{shown} may hold secrets"
    return None


def failed(sentence: str) -> Outcome:
    """Return an outcome that tells model and person the same, the person the first line of it."""
    return Outcome(False, sentence, sentence.partition("\n")[0])


# Reading ------------------------------------------------------------------------------------------------


def _show(
    shown: str, contents: Contents, args: ReadArguments, context: ToolContext, path: Path | None = None
) -> Outcome:
    """Show a file that was read; one of the workspace is known to the model from now on."""
    try:
        file = decode(shown, contents)
        part = excerpt(shown, file, args.start, args.end, context.output_limit, numbers=args.numbers is True)
    except PathRefused:
        # What it is has been said: that is all that there is to read.
        if path is not None and contents.is_whole:
            context.changes.seen(path, digest(contents.data))
        raise
    except Beyond as error:
        return failed(str(error))
    if path is not None and contents.is_whole:
        context.changes.seen(path, digest(contents.data), part.lines, part.total)
    return Outcome(True, part.text, part.summary)


def _nearest_name(workspace: Workspace, path: str, error: WorkspaceError) -> str:
    """Name the file that may have been meant by a path that leads nowhere."""
    if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.ENOENT:
        return ""
    try:
        folder = workspace.locate(path).parent
        names = workspace.names(folder, _NAMES_AMONG)
    except WorkspaceError:
        return ""
    close = difflib.get_close_matches(Path(path).name, names, n=1)
    return f" There is {workspace.relative(folder / close[0])}." if close else ""


# Writing ------------------------------------------------------------------------------------------------


def _written(args: WriteArguments, context: ToolContext) -> tuple[Change, str | None, str]:
    """Return the change, the old text (None where there was no file) and the new one; changes nothing."""
    path = context.workspace.locate(args.path)
    before = context.changes.read_for_overwriting(path)
    try:
        data = args.content.encode()
        if before is None:
            return Change(path, data, None, is_blind=True), None, args.content
        try:
            file = decode(args.path, before)
        except PathRefused:
            return Change(path, data, before.data, is_blind=True), "", args.content
        new = args.content
        if file.newline == "\r\n":
            new = unix(new).replace("\n", "\r\n")
        # A letter that the old encoding lacks is reason enough for UTF-8.
        with contextlib.suppress(UnicodeEncodeError):
            data = new.encode()
            data = file.encode(new)
        return Change(path, data, before.data, is_blind=True), file.text, new
    except UnicodeEncodeError as error:
        raise EditRefused(f"{args.path} was not written: the content is not valid Unicode.") from error


def _edited(args: EditArguments, context: ToolContext) -> tuple[Path, bytes, TextFile, str]:
    """Return where the file is, what it was, and its new text; changes nothing."""
    path = context.workspace.locate(args.path)
    shown = context.workspace.relative(path)
    if not args.old_str:
        raise EditRefused("old_str is empty. Give the text to replace, or use write_file for a new file.")
    if unix(args.old_str) == unix(args.new_str):
        raise EditRefused("old_str and new_str are the same: there is nothing to change.")
    contents = context.changes.read(path) or read_contents(context.workspace, path)
    file = decode(shown, contents)
    return path, contents.data, file, replaced(shown, file, unix(args.old_str), unix(args.new_str))
