"""Lists and searches the workspace's files with ripgrep, ignore rules honoured."""

import asyncio
import os
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from vtcode.replacing import TEMPORARY_GLOB
from vtcode.sandbox.searching import boxed
from vtcode.text import visible
from vtcode.tools.files import failed, reason_to_ask
from vtcode.tools.process import Enough, run_process
from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext
from vtcode.workspace import SECRET_FILES, SECRET_FOLDERS, PathRefused, Workspace

SEARCH_SECONDS: Final = 20.0
LISTED_FILES: Final = 200
SHOWN_MATCHES: Final = 100
COUNTED: Final = 100_000
"""Files or matches after which counting ends."""
LONGEST_PATTERN: Final = 10_000

_LONGEST_RECORD: Final = 1 << 16
_ERROR_BYTES: Final = 1000
_FOOTER: Final = 200
_SHOWN_FOLDERS: Final = 15

# `--no-config`: a file that RIPGREP_CONFIG_PATH names could have ripgrep run a program (`--pre`).
_COMMON: Final = (
    *("--no-config", "--no-messages", "--color=never", "--hidden", "--sort=path"),
    *("--glob=!.git", f"--glob=!{TEMPORARY_GLOB}"),
)
_IGNORE_FILES: Final = (".gitignore", ".ignore", ".rgignore")
"""What ripgrep reads in every folder."""
_OUR_IGNORE_FILES: Final = (".vtcodegitignore", ".vtcodeignore")
"""Read in the root alone. The first is the name that another `vtcode` has for it."""
_NO_SECRETS: Final = tuple(f"--iglob=!{glob}" for glob in (*SECRET_FILES, *sorted(SECRET_FOLDERS)))


class ListArguments(msgspec.Struct, frozen=True):
    path: str = "."


class GrepArguments(msgspec.Struct, frozen=True):
    pattern: str
    path: str = "."


class ListFiles(Parameters):
    """Lists the files beneath a folder; of a large folder, its first files and what its folders hold."""

    name = "list_files"
    description = "List files below a folder"
    arguments: type[msgspec.Struct] = ListArguments
    effect: Effect = "reads"

    def sensitive(self, args: ListArguments, context: ToolContext) -> str | None:
        return None

    def preview(self, args: ListArguments, context: ToolContext) -> Preview:
        return Preview("path", args.path)

    async def run(self, args: ListArguments, context: ToolContext) -> Outcome:
        files = _Files(LISTED_FILES)
        records = _Records(b"\0", files.add)
        try:
            path = _existing(context.workspace, args.path)
            await _search(context.workspace, path, ("--files", "--null"), records)
        except _SearchFailed as error:
            return failed(str(error))
        shown = context.workspace.relative(path)
        if not files.count:
            return _nothing(records, f"There are no files in {_place(shown)}.", "no files")
        return _listing(shown, files, context.output_limit, records)


class GrepFile(Parameters):
    """Finds the lines that a regular expression matches."""

    name = "grep_file"
    description = "Search files for a regex"
    arguments: type[msgspec.Struct] = GrepArguments
    effect: Effect = "reads"

    def sensitive(self, args: GrepArguments, context: ToolContext) -> str | None:
        return reason_to_ask(args.path, context, writes=False)

    def preview(self, args: GrepArguments, context: ToolContext) -> Preview:
        return Preview("path", f"{args.path}: {args.pattern}")

    async def run(self, args: GrepArguments, context: ToolContext) -> Outcome:
        matches = _Matches(SHOWN_MATCHES, context.output_limit - _FOOTER)
        options = ("--line-number", "--no-heading", "--with-filename", "--null")
        columns = ("--max-columns=200", "--max-columns-preview")
        pattern = ("-e", args.pattern)
        records = _Records(b"\n", matches.add)
        kept = context.spool.find(args.path) if context.spool is not None else None
        if len(args.pattern) > LONGEST_PATTERN:
            return failed(f"The pattern is longer than {LONGEST_PATTERN:,} characters. Search for a part of it.")
        try:
            if kept is not None:
                matches.name = shown = args.path
                await _run(context.workspace, str(kept), (*options, *columns, *pattern), records)
            else:
                path = _existing(context.workspace, args.path)
                shown = context.workspace.relative(path)
                # Secrets are searched only where the path names them, and then the call is asked for.
                secrets = () if context.workspace.is_secret(path) else _NO_SECRETS
                await _search(context.workspace, path, (*options, *columns, *secrets, *pattern), records)
        except _SearchFailed as error:
            return failed(str(error))
        if matches.note:
            return Outcome(True, _shown_path(matches.note.strip()), "binary file matches")
        if not matches.count:
            return _nothing(records, f"No match for {args.pattern} in {_place(shown)}.", "no match")
        return _found(matches, records)


async def workspace_files(workspace: Workspace, most: int = 20_000) -> tuple[str, ...]:
    """List the first files of a workspace, sorted by path; none where they cannot be listed."""
    files = _Files(most)
    try:
        await _search(workspace, workspace.root, ("--files", "--null"), _Records(b"\0", files.add_wanted))
    except _SearchFailed:
        return ()
    return tuple(files.names)


class _SearchFailed(Exception):
    """A sentence for the model."""


def _existing(workspace: Workspace, path: str) -> Path:
    try:
        located = workspace.locate(path)
    except PathRefused as error:
        raise _SearchFailed(error.sentence) from error
    try:
        mode = located.lstat().st_mode
    except OSError as error:
        raise _SearchFailed(f"{workspace.relative(located)} does not exist.") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        # ripgrep would wait for what comes out of a named pipe.
        raise _SearchFailed(f"{workspace.relative(located)} is neither a file nor a folder.")
    return located


async def _search(workspace: Workspace, path: Path, options: tuple[str, ...], records: "_Records") -> None:
    """Search beneath a located path. That it was stopped, by time or by `Enough`, is noted in `records`."""
    # "./" keeps a name with a leading dash from being an option.
    base = "./" if path == workspace.root else f"./{workspace.relative(path)}"
    await _run(workspace, base, (*_ignore_rules(workspace, path), *options), records)


async def _run(workspace: Workspace, base: str, options: tuple[str, ...], records: "_Records") -> None:
    program = find_ripgrep(workspace)
    if program is None:
        raise _SearchFailed("ripgrep (rg) is not installed, so files cannot be searched. Use other tools.")
    argv = (program, *_COMMON, *options, "--", base)
    outside = [Path(base)] if os.path.isabs(base) else []
    argv = await asyncio.to_thread(boxed, argv, workspace.root, *outside)
    errors = bytearray()

    def keep_errors(chunk: bytes) -> None:
        errors.extend(chunk[: _ERROR_BYTES - len(errors)])

    try:
        code = await run_process(
            argv,
            # No HOME: what is found depends on the workspace, not on the user's own ignore rules.
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd=workspace.root,
            seconds=SEARCH_SECONDS,
            on_output=records.feed,
            on_errors=keep_errors,
        )
    except TimeoutError:
        records.stopped = f"was stopped after {SEARCH_SECONDS:.0f} seconds"
    except Enough:
        records.stopped = f"ended after {COUNTED:,} results"
    except (OSError, ValueError) as error:
        raise _SearchFailed(f"The search could not be started: {error}.") from error
    else:
        # Without a message, only some files could not be read.
        if code == 2 and errors:
            raise _SearchFailed(
                f"The search failed. {errors.decode('utf-8', 'replace').strip()}\n"
                "The pattern is a regular expression: put \\ before ( ) [ ] { } . * + ? | to mean the letter itself."
            )


def find_ripgrep(workspace: Workspace) -> str | None:
    """Find ripgrep: the one installed with this program first, and never one that a workspace brings along."""
    if own := shutil.which("rg", path=str(Path(sys.executable).parent)):
        return own
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("rg", path=folder) if os.path.isabs(folder) else None
        if found and not Path(os.path.realpath(found)).is_relative_to(workspace.root):
            return found
    return None


def _ignore_rules(workspace: Workspace, path: Path) -> tuple[str, ...]:
    """Return the options for ignore files.

    In a git repository ripgrep does as git does. Elsewhere `.gitignore` files count too, but none above the
    root: people keep one with `*` in their home. That leaves out the root's own when the search begins below
    it, so it is named.
    """
    _check_ignore_files(workspace, path)
    # They count for less than the others, which only matters where one of those shows what these hide.
    rules = [f"--ignore-file=./{name}" for name in _OUR_IGNORE_FILES if os.path.lexists(workspace.root / name)]
    if any(os.path.lexists(folder / ".git") for folder in (workspace.root, *workspace.root.parents)):
        return tuple(rules)
    rules += ["--no-require-git", "--no-ignore-parent"]
    if path != workspace.root:
        names = (name for name in _IGNORE_FILES if os.path.lexists(workspace.root / name))
        rules += [f"--ignore-file=./{name}" for name in names]
    return tuple(rules)


def _check_ignore_files(workspace: Workspace, path: Path) -> None:
    """Refuse ignore files that are none: ripgrep would wait for ever for what comes out of a named pipe."""
    inside = (folder for folder in (path, *path.parents) if folder.is_relative_to(workspace.root))
    for folder in inside:
        for name in (*_IGNORE_FILES, *_OUR_IGNORE_FILES):
            if os.path.lexists(folder / name) and not (folder / name).is_file():
                shown = workspace.relative(folder / name)
                raise _SearchFailed(f"The ignore file {shown} is not a regular file. Remove it, then search again.")


class _Records:
    """Splits a stream of bytes into records, in bounded memory."""

    def __init__(self, separator: bytes, add: Callable[[bytes], None]) -> None:
        self.stopped = ""
        self._separator = separator
        self._add = add
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        *records, rest = (self._rest + chunk).split(self._separator)
        self._rest = rest[:_LONGEST_RECORD]
        for record in records:
            self._add(record)


class _Files:
    """The first files of a listing, and how many there are in each folder."""

    def __init__(self, most: int) -> None:
        self.names: list[str] = []
        self.count = 0
        self.folders: Counter[str] = Counter()
        self._most = most

    def add(self, record: bytes) -> None:
        name = record.decode("utf-8", "replace").removeprefix("./")
        self.count += 1
        if len(self.names) < self._most:
            self.names.append(name)
        self.folders[name.rpartition("/")[0]] += 1
        if self.count >= COUNTED:
            raise Enough

    def add_wanted(self, record: bytes) -> None:
        """Add a file; end the listing when there are as many as are wanted."""
        self.add(record)
        if self.count >= self._most:
            raise Enough


def _place(shown: str) -> str:
    return "the workspace" if shown == "." else shown


def _nothing(records: _Records, text: str, summary: str) -> Outcome:
    """Say that nothing was found, unless the search did not get to its end."""
    if records.stopped:
        return failed(f"Nothing was found before the search {records.stopped}. Narrow the path.")
    return Outcome(True, text, summary)


def _with_stop(text: str, records: _Records) -> str:
    return f"{text}\n[The search {records.stopped}; there may be more.]" if records.stopped else text


def _listing(shown: str, files: _Files, limit: int, records: _Records) -> Outcome:
    text, kept = _fitting([visible(name, one_line=True) for name in files.names], limit - _FOOTER)
    total = _count(files.count)
    if kept < files.count:
        text += f"\n[{kept} of {total} files{_folders(shown, files.folders)}]"
    return Outcome(True, _with_stop(text, records), f"{total} {'file' if files.count == 1 else 'files'}")


def _folders(shown: str, folders: Counter[str]) -> str:
    """Sum up the folders right below the one listed: what to list next."""
    depth = 0 if shown == "." else len(shown.split("/"))
    below: Counter[str] = Counter()
    for folder, count in folders.items():
        parts = folder.split("/")
        if folder and len(parts) > depth:
            below["/".join(parts[: depth + 1])] += count
    if not below:
        return ""
    largest = ", ".join(
        f"{visible(name, one_line=True)} ({count})" for name, count in below.most_common(_SHOWN_FOLDERS)
    )
    more = ", …" if len(below) > _SHOWN_FOLDERS else ""
    return f"; list one of these folders: {largest}{more}"


class _Matches:
    """The first matches of a search, as `path:line:text`, and the number of all."""

    def __init__(self, most: int, room: int) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.files: set[bytes] = set()
        self.note = b""
        """What is not a match: ripgrep's word about the binary file that was named, if one was."""
        self.name: str | None = None
        """What the one file is called that is searched; None where matches come with their paths."""
        self._most = most
        self._room = room

    def add(self, record: bytes) -> None:
        path, separator, match = (self.note + record).partition(b"\0")
        if not separator:
            # Or the beginning of a path that has a newline in it.
            self.note = path[:_LONGEST_RECORD] + b"\n"
            return
        self.note = b""
        self.count += 1
        self.files.add(path)
        if len(self.lines) < self._most and self._room > 0:
            shown = self.name or _shown_path(path)
            text = match.decode("utf-8", "replace").rstrip("\r")
            self.lines.append(f"{shown}:{text}")
            self._room -= len(self.lines[-1]) + 1
        if self.count >= COUNTED:
            raise Enough


def _shown_path(path: bytes) -> str:
    return visible(path.decode("utf-8", "replace"), one_line=True).removeprefix("./")


def _found(matches: _Matches, records: _Records) -> Outcome:
    total = _count(matches.count)
    text = "\n".join(matches.lines)
    if len(matches.lines) < matches.count:
        text += f"\n[{len(matches.lines)} of {total} matches. Narrow the pattern or the path to see others.]"
    noun = "match" if matches.count == 1 else "matches"
    files = "1 file" if len(matches.files) == 1 else f"{len(matches.files)} files"
    return Outcome(True, _with_stop(text, records), f"{total} {noun} in {files}")


def _fitting(lines: list[str], room: int) -> tuple[str, int]:
    """Join the lines that fit into `room` characters, at least one; return how many those are."""
    kept, used = 0, 0
    for line in lines:
        used += len(line) + 1
        if kept and used > room:
            break
        kept += 1
    return "\n".join(lines[:kept]), kept


def _count(number: int) -> str:
    return f"more than {number:,}" if number >= COUNTED else f"{number:,}"
