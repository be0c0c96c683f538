"""The text of a patch → what it does to which files: the `*** Begin Patch` form, and unified diffs."""

import re
from collections.abc import Iterator
from typing import Final, Literal, cast

import msgspec

Mark = Literal[" ", "+", "-"]

_FILE: Final = re.compile(r"\*\*\* (Add|Delete|Update) File: (.+?)\s*")
_MOVE: Final = re.compile(r"\*\*\* Move to: (.+?)\s*")
_RANGE: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@.*")
_SAME_NAME: Final = re.compile(r'diff --git "?a/(.+?)"? "?b/\1"?')
_ESCAPE: Final = re.compile(rb'\\([0-7]{3}|["\\abfnrtv])')
_LETTERS: Final = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_VERSION: Final = re.compile(r"\d+(\.\w+)+.*")
"""What git writes below a mailed patch."""
_NOWHERE: Final = "/dev/null"
_EXECUTABLE: Final = 0o755
_QUOTED: Final = 80


class BadPatch(ValueError):
    """The text is not a patch; the message is a sentence for the model."""


class Hunk(msgspec.Struct, frozen=True):
    """One place of a file: lines that stay, that go and that come."""

    lines: tuple[tuple[Mark, str], ...]
    scopes: tuple[str, ...] = ()
    """Lines further up that say where it is, outermost first: `class Apple`, `def peel(self):`."""
    line: int | None = None
    """The number of its first old line, as far as the patch says."""
    is_at_end: bool = False
    ends_with_newline: bool | None = None
    """Whether the file is to; None where nothing was said."""

    @property
    def old(self) -> list[str]:
        return [text for mark, text in self.lines if mark != "+"]

    @property
    def new(self) -> list[str]:
        return [text for mark, text in self.lines if mark != "-"]


class Add(msgspec.Struct, frozen=True):
    """A file that is new."""

    path: str
    text: str
    mode: int | None = None


class Delete(msgspec.Struct, frozen=True):
    """A file that goes."""

    path: str
    hunks: tuple[Hunk, ...] = ()
    """What it holds, where the patch says so."""


class Update(msgspec.Struct, frozen=True):
    """A file that changes, its place included."""

    path: str
    hunks: tuple[Hunk, ...]
    moved_to: str | None = None


FilePatch = Add | Delete | Update


def parse_patch(text: str) -> list[FilePatch]:
    """Read a patch. Raises BadPatch."""
    lines = text.split("\n")
    if all(line.endswith("\r") for line in lines[:-1]):
        # The newlines are the patch's own; else they are those of the files.
        lines = [line.removesuffix("\r") for line in lines]
    begin = next((at for at, line in enumerate(lines) if line.strip() == "*** Begin Patch"), None)
    if begin is not None:
        lines = lines[begin + 1 :]
    if begin is not None or any(_FILE.fullmatch(line) for line in lines):
        patches = list(_envelope(lines))
    else:
        patches = list(_unified(lines))
    if not patches:
        raise BadPatch(
            'The patch names no file. Write "*** Begin Patch", then "*** Update File: PATH" with lines that begin '
            'with a blank, "-" or "+", then "*** End Patch"; or give a unified diff.'
        )
    return patches


# *** Begin Patch ----------------------------------------------------------------------------------------


def _envelope(lines: list[str]) -> Iterator[FilePatch]:
    at = 0
    while at < len(lines) and not lines[at].startswith("*** End Patch"):
        head = _FILE.fullmatch(lines[at])
        if head is None:
            if lines[at].strip():
                raise BadPatch(f'Expected "*** Update File: PATH" or the like, got "{lines[at][:_QUOTED]}".')
            at += 1
            continue
        begin = at = at + 1
        while at < len(lines) and not _FILE.fullmatch(lines[at]) and not lines[at].startswith("*** End Patch"):
            at += 1
        yield _file_patch(head[1], head[2], lines[begin:at])


def _file_patch(kind: str, path: str, body: list[str]) -> FilePatch:
    if kind == "Delete":
        if any(line.strip() for line in body):
            raise BadPatch(f"*** Delete File: {path} is to be followed by nothing.")
        return Delete(path)
    if kind == "Add":
        while body and not body[-1]:
            body.pop()
        if bad := next((line for line in body if line and line[0] != "+"), None):
            raise BadPatch(f'Lines of *** Add File: {path} begin with "+"; this one does not: "{bad[:_QUOTED]}".')

        return Add(path, "".join(f"{line[1:]}\n" for line in body))
    moved_to = None
    if body and (move := _MOVE.fullmatch(body[0])):
        moved_to, body = move[1], body[1:]
    hunks = tuple(_hunks(path, body))
    if not hunks and moved_to is None:
        raise BadPatch(f"*** Update File: {path} has no lines that go or come.")
    return Update(path, hunks, moved_to)


# Unified diffs ------------------------------------------------------------------------------------------


class _Head(msgspec.Struct):
    """What stands above the hunks of one file."""

    old: str = ""
    new: str = ""
    same: str = ""
    renamed_from: str = ""
    renamed_to: str = ""
    is_new: bool = False
    is_deleted: bool = False
    mode: int | None = None


def _unified(lines: list[str]) -> Iterator[FilePatch]:
    head: _Head | None = None
    body: list[str] = []
    at = 0
    while at < len(lines):
        line, is_pair = lines[at], _names_files(lines, at)
        if line.startswith("diff --git ") or (is_pair and (head is None or head.new)):
            if head is not None:
                yield _unified_patch(head, body)
            head, body = _Head(), []
        if head is None:
            # Something is said before the patch begins.
            pass
        elif is_pair:
            head.old, head.new = _name(line[4:]), _name(lines[at + 1][4:])
            at += 1
        elif body or head.new or line.startswith("@@"):
            body.append(line)
        else:
            _read_head(head, line)
        at += 1
    if head is not None:
        yield _unified_patch(head, body)


def _names_files(lines: list[str], at: int) -> bool:
    """Whether the names of a file's old and new version are here.

    A line "-- x" that goes and one "++ y" that comes look the same, but are hardly ever followed by a hunk.
    """
    begins = zip(lines[at : at + 3], ("--- ", "+++ ", "@@"), strict=False)
    return at + 2 < len(lines) and all(line.startswith(begin) for line, begin in begins)


def _read_head(head: _Head, line: str) -> None:
    """Take in one of git's lines above the names. Raises BadPatch for more than a change of text."""
    if line.startswith("diff --git "):
        same = _SAME_NAME.fullmatch(line)
        head.same = _unquoted(f'"{same[1]}"') if same else ""
    elif line.startswith("rename from "):
        head.renamed_from = _unquoted(line.removeprefix("rename from "))
    elif line.startswith("rename to "):
        head.renamed_to = _unquoted(line.removeprefix("rename to "))
    elif line.startswith(("new file mode ", "deleted file mode ")):
        head.is_new, head.is_deleted = line.startswith("new"), line.startswith("deleted")
        mode = line.rpartition(" ")[2]
        if mode not in {"100644", "100755"}:
            raise BadPatch(f"A file of mode {mode} is no ordinary file; make it with a command.")
        head.mode = _EXECUTABLE if mode == "100755" else None
    elif line.startswith(("old mode ", "new mode ", "copy from ", "copy to ", "GIT binary patch", "Binary files ")):
        raise BadPatch(f'This is more than a change of text: "{line[:_QUOTED]}". Use a command for it.')


def _unified_patch(head: _Head, body: list[str]) -> FilePatch:
    old, new = head.old or head.same or head.renamed_from, head.new or head.same or head.renamed_to
    if not old or not new:
        raise BadPatch('A unified diff has "--- OLD" and "+++ NEW" above its hunks; here they are missing.')
    if all(name == _NOWHERE or name.startswith(prefix) for name, prefix in ((old, "a/"), (new, "b/"))):
        old, new = old.removeprefix("a/"), new.removeprefix("b/")
    # The names in these lines have no prefix.
    old, new = head.renamed_from or old, head.renamed_to or new
    hunks = tuple(_hunks(new if new != _NOWHERE else old, body))
    if old == _NOWHERE or head.is_new:
        if any(mark != "+" for hunk in hunks for mark, _ in hunk.lines):
            raise BadPatch(f"{new} is said to be new, so every line of it begins with +.")
        added = [text for hunk in hunks for text in hunk.new]
        bare = bool(hunks) and hunks[-1].ends_with_newline is False
        return Add(new, "\n".join(added) + ("" if bare or not added else "\n"), head.mode)
    if new == _NOWHERE or head.is_deleted:
        return Delete(old, hunks)
    if not hunks and old == new:
        raise BadPatch(f"The patch has no lines of {old} that go or come.")
    return Update(old, hunks, new if new != old else None)


def _name(text: str) -> str:
    return _unquoted(text.partition("\t")[0].strip())


def _unquoted(name: str) -> str:
    """Undo the quoting that git gives to names with odd characters."""
    if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
        return name

    def letter(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _LETTERS.get(code, code)

    return _ESCAPE.sub(letter, name[1:-1].encode("utf-8", "replace")).decode("utf-8", "replace")


# Hunks --------------------------------------------------------------------------------------------------


class _Open:
    """A hunk that is being read."""

    def __init__(self) -> None:
        self.lines: list[tuple[Mark, str]] = []
        self.scopes: list[str] = []
        self.line: int | None = None
        self.is_at_end = False
        self.blank = 0
        """How many lines at the end were quite empty: most likely they are no part of it."""
        self.bare: set[Mark] = set()

    def add(self, line: str) -> None:
        self.blank = 0 if line else self.blank + 1
        self.lines.append((cast("Mark", line[:1] or " "), line[1:]))

    def closed(self) -> Hunk | None:
        lines = self.lines[: len(self.lines) - self.blank]
        if not lines:
            return None
        ends = False if self.bare & {"+", " "} else True if self.bare else None
        return Hunk(tuple(lines), tuple(self.scopes), self.line, self.is_at_end, ends)


def _hunks(path: str, body: list[str]) -> Iterator[Hunk]:
    hunk = _Open()
    for at, line in enumerate(body):
        if line.strip() in {"```", "EOF"} or (line == "-- " and _VERSION.fullmatch("".join(body[at + 1 : at + 2]))):
            break
        if line.startswith("@@"):
            if (closed := hunk.closed()) is not None:
                yield closed
                hunk = _Open()
            where = _RANGE.fullmatch(line)
            if where is not None:
                # Of no old lines, the number is the one of the line above.
                hunk.line = int(where[1]) + (where[2] == "0")
            elif scope := line[2:].removesuffix("@@").strip():
                hunk.scopes.append(scope)
        elif line.startswith("*** End of File"):
            hunk.is_at_end = True
        elif line.startswith("\\") and hunk.lines:
            hunk.bare.add(hunk.lines[-1][0])
        elif line[:1] in {"", " ", "+", "-"}:
            hunk.add(line)
        else:
            raise BadPatch(
                f'A line of the patch for {path} begins with neither a blank, "-" nor "+": "{line[:_QUOTED]}".'
            )
    if (closed := hunk.closed()) is not None:
        yield closed
