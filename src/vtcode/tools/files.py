"""Reads, edits and writes text files of the workspace."""

import difflib
import itertools
import os
import re
from pathlib import Path
from typing import Final

import msgspec

from vtcode.tools.diff import count_changes, unified_diff
from vtcode.tools.textfile import MOST_BYTES, TextFile, human_size, read_text
from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext
from vtcode.workspace import PathRefused, WorkspaceError

_SHOWN_MATCHES: Final = 10
_NEAREST_AMONG: Final = 4_000
"""Lines that are looked at for the one nearest to a text that was not found."""
_QUOTED: Final = 120
_FOOTER: Final = 120
"""Characters kept free for the line that says what was left out."""
_NEWLINE: Final = r"(?:\r\n|(?<!\r)\n)"


class ReadArguments(msgspec.Struct, frozen=True):
    path: str
    start: int | None = None
    end: int | None = None


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
        try:
            path = context.workspace.locate(args.path)
            file = read_text(context.workspace, path)
        except WorkspaceError as error:
            return failed(error.sentence)
        return _excerpt(context.workspace.relative(path), file, args, context.output_limit)


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
            path, file, text = _edited(args, context)
        except WorkspaceError as error:
            return Preview("path", f"{args.path}: this edit will fail. {error.sentence}")
        return Preview("diff", unified_diff(context.workspace.relative(path), file.text, text))

    async def run(self, args: EditArguments, context: ToolContext) -> Outcome:
        try:
            path, file, text = _edited(args, context)
            context.workspace.replace_file(path, _encoded(file, text))
        except WorkspaceError as error:
            return failed(error.sentence)
        shown = context.workspace.relative(path)
        added, removed = count_changes(file.text, text)
        return Outcome(True, f"Edited {shown} (+{added} -{removed}).", f"edited {shown} (+{added} -{removed})")


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
            path = context.workspace.locate(args.path)
            shown = context.workspace.relative(path)
            old = read_text(context.workspace, path).text if os.path.lexists(path) else None
        except WorkspaceError as error:
            return Preview("path", f"{args.path}: {error.sentence}\n\nThe new content:\n{args.content}")
        return Preview("diff", unified_diff(shown, old, args.content))

    async def run(self, args: WriteArguments, context: ToolContext) -> Outcome:
        try:
            path = context.workspace.locate(args.path)
            existed = os.path.lexists(path)
            context.workspace.replace_file(path, args.content.encode())
        except WorkspaceError as error:
            return failed(error.sentence)
        except UnicodeEncodeError:
            return failed(f"{args.path} was not written: the content is not valid Unicode.")
        shown = context.workspace.relative(path)
        size = _plural(len(_lines(args.content)), "line")
        verb = "overwrote" if existed else "created"
        return Outcome(True, f"Wrote {shown} ({size}).", f"{verb} {shown} ({size})")


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
    """Return an outcome that tells model and person the same."""
    return Outcome(False, sentence, sentence)


# Reading ------------------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _excerpt(shown: str, file: TextFile, args: ReadArguments, limit: int) -> Outcome:
    lines = _lines(file.text.replace("\r\n", "\n"))
    if not lines:
        return Outcome(True, f"[{shown} is empty]", f"{shown}, empty")
    total = len(lines)
    first = max(args.start or 1, 1)
    last = min(total if args.end is None else args.end, total)
    if first > total:
        return failed(f"{shown} has {_plural(total, 'line')}{_beyond(file)}; start={first} lies beyond them.")
    if last < first:
        return failed(f"end={args.end} is before start={first}. {shown} has {_plural(total, 'line')}.")
    text = "\n".join(lines[first - 1 : last])
    if len(text) > limit:
        room = max(limit - _FOOTER, 1)
        ends = itertools.accumulate(len(line) + 1 for line in lines[first - 1 : last])
        fitting = sum(1 for _ in itertools.takewhile(lambda end: end <= room + 1, ends))
        last = first + max(fitting, 1) - 1
        text = "\n".join(lines[first - 1 : last])
        if not fitting:
            text = f"{text[:room]}\n[line {first} goes on: {len(text):,} characters in all]"
    if (first, last) != (1, total) or not file.is_whole:
        onwards = f"; continue with start={last + 1}" if last < total else ""
        text += f"\n[lines {first}-{last} of {total}{_beyond(file)}{onwards}]"
    return Outcome(True, text, f"{shown}, lines {first}-{last} of {total}")


def _beyond(file: TextFile) -> str:
    if file.is_whole:
        return ""
    return f" in its first {human_size(MOST_BYTES)}; the file has {human_size(file.size)}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# Editing ------------------------------------------------------------------------------------------------


class _EditRefused(WorkspaceError):
    """The edit does not fit the file."""


def _edited(args: EditArguments, context: ToolContext) -> tuple[Path, TextFile, str]:
    """Return where the file is, what it was, and its new text; changes nothing."""
    path = context.workspace.locate(args.path)
    shown = context.workspace.relative(path)
    if not args.old_str:
        raise _EditRefused("old_str is empty. Give the text to replace, or use write_file for a new file.")
    file = read_text(context.workspace, path)
    if not file.is_whole:
        raise _EditRefused(f"{shown} is too large to edit ({human_size(file.size)}).")
    if _unix(args.old_str) == _unix(args.new_str):
        raise _EditRefused("old_str and new_str are the same: there is nothing to change.")
    places = _places(file.text, args.old_str)
    if not places:
        raise _EditRefused(_not_found(shown, file.text, args.old_str))
    if len(places) > 1:
        raise _EditRefused(_ambiguous(shown, file.text, places))
    start, end = places[0]
    matched = file.text[start:end]
    newline = "\r\n" if "\r\n" in matched else "\n" if "\n" in matched else file.newline
    new = _unix(args.new_str).replace("\n", newline)
    return path, file, file.text[:start] + new + file.text[end:]


def _encoded(file: TextFile, text: str) -> bytes:
    try:
        return file.encode(text)
    except UnicodeEncodeError as error:
        letter = error.object[error.start]
        raise _EditRefused(f"new_str has {letter!r}, which the file's encoding ({file.encoding}) lacks.") from error


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


def _places(text: str, wanted: str) -> list[tuple[int, int]]:
    r"""Find where `wanted` stands, overlaps included; each \n of it matches the file's \n or \r\n."""
    pattern = re.compile(_NEWLINE.join(re.escape(line) for line in _unix(wanted).split("\n")))
    places: list[tuple[int, int]] = []
    at = 0
    while len(places) <= _SHOWN_MATCHES and (match := pattern.search(text, at)):
        places.append(match.span())
        at = match.start() + 1
    return places


def _ambiguous(shown: str, text: str, places: list[tuple[int, int]]) -> str:
    numbers = [str(text.count("\n", 0, start) + 1) for start, _ in places]
    more = len(places) > _SHOWN_MATCHES
    count = f"more than {_SHOWN_MATCHES}" if more else str(len(places))
    where = ", ".join(numbers[:_SHOWN_MATCHES])
    return f"old_str occurs {count} times in {shown} (lines {where}). Add lines around it so that it occurs once."


def _not_found(shown: str, text: str, wanted: str) -> str:
    """Tell that nothing matched, with the line that comes nearest: most often only the blanks differ."""
    line = next((line for line in wanted.splitlines() if line.strip()), wanted)[:_QUOTED]
    sentence = f'old_str was not found in {shown}: "{line.strip()}".'
    lines = [candidate.rstrip("\r")[:_QUOTED] for candidate in text.split("\n", _NEAREST_AMONG)[:_NEAREST_AMONG]]
    if nearest := difflib.get_close_matches(line, lines, n=1):
        sentence += f' The nearest is line {lines.index(nearest[0]) + 1}: "{nearest[0]}".'
    return f"{sentence} Read the file and copy the text exactly, blanks included."
