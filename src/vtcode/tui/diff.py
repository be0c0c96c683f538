"""A unified diff as it is read: line numbers, and the words that changed."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from vtcode.text import visible
from vtcode.tui.theme import Role, Theme
from vtcode.tui.wrap import wrap

_HUNK: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_WORD: Final = re.compile(r"\w+|\s+|.")
_MOST_WORDS: Final = 400
"""In two lines together, up to which they are compared word by word: the comparison is quadratic."""
_ALIKE: Final = 0.3
"""From which share of equal words on two lines are one that was changed."""


def render_diff(unified: str, theme: Theme, width: int, *, longest: int | None = 4_000) -> list[str]:
    """Draw a unified diff, of any number of files; what is no part of one is shown as it stands.

    Args:
        unified: as `git diff` or `vtcode.tools.diff` writes it; it is made safe here.
        width: columns.
        longest: characters of a line that are shown; None for all.
    """
    if longest is not None:
        unified = "\n".join(_shortened(line, longest) for line in unified.split("\n"))
    return [row for line in _drawn(unified.split("\n"), theme, width) for row in line]


def _drawn(lines: Sequence[str], theme: Theme, width: int) -> Iterator[list[str]]:
    old = new = 0
    digits = _digits(lines)
    removed: list[str] = []
    added: list[str] = []
    in_hunk = False
    before = ""
    for line in lines:
        if in_hunk and line.startswith("-"):
            if added:
                yield from _changed(removed, added, old, new, digits, theme, width)
                old, new = old + len(removed), new + len(added)
                removed, added = [], []
            removed.append(line[1:])
            continue
        if in_hunk and line.startswith("+"):
            added.append(line[1:])
            continue
        if line.startswith("\\") and in_hunk:
            (added or removed or [""])[-1] += f"  ({line[2:]})"
            continue
        if removed or added:
            yield from _changed(removed, added, old, new, digits, theme, width)
            old, new = old + len(removed), new + len(added)
            removed, added = [], []
        if match := _HUNK.match(line):
            if in_hunk:
                yield [theme.paint("hunk", f"{'':>{digits}} ⋯")]
            old, new, in_hunk = int(match[1]), int(match[2]), True
        elif in_hunk and (line.startswith(" ") or not line):
            if line:
                yield _row(new, " ", _safe(line[1:]), digits, "dim", theme, width)
                old, new = old + 1, new + 1
        else:
            in_hunk = False
            if line.startswith("--- "):
                before = line[4:].removeprefix("a/")
            elif line.startswith("+++ "):
                name = visible(_named(before, line[4:].removeprefix("b/")), one_line=True)
                yield wrap(theme.paint("accent", name), width)
            elif line and not line.startswith(("index ", "diff --git ")):
                yield wrap(theme.paint("dim", visible(line, one_line=True)), width)
    if removed or added:
        yield from _changed(removed, added, old, new, digits, theme, width)


def _named(before: str, after: str) -> str:
    if after == "/dev/null":
        return f"{before} (deleted)"
    return f"{after} (new)" if before == "/dev/null" else after


def _digits(lines: Sequence[str]) -> int:
    starts = [int(start) for line in lines if (match := _HUNK.match(line)) for start in match.groups()]
    return len(str(max(starts, default=1) + 99))


def _changed(
    removed: Sequence[str], added: Sequence[str], old: int, new: int, digits: int, theme: Theme, width: int
) -> Iterator[list[str]]:
    """Draw lines that others took the place of; pairs that are alike with the words that differ."""
    are_pairs = len(removed) == len(added)
    words = [_compared(before, after) if are_pairs else None for before, after in zip(removed, added, strict=False)]
    words += [None] * (max(len(removed), len(added)) - len(words))
    for at, text in enumerate(removed):
        marked = _emphasised(pieces[0], "removed", theme) if (pieces := words[at]) else None
        yield _row(old + at, "-", marked or theme.paint("removed", _safe(text)), digits, "removed", theme, width)
    for at, text in enumerate(added):
        marked = _emphasised(pieces[1], "added", theme) if (pieces := words[at]) else None
        yield _row(new + at, "+", marked or theme.paint("added", _safe(text)), digits, "added", theme, width)


_Pieces = list[tuple[bool, str]]
"""Text, each piece with whether it differs."""


def _compared(before: str, after: str) -> tuple[_Pieces, _Pieces] | None:
    """Find the words that differ; nothing, where the lines have too little in common to be called one."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    if len(old) + len(new) > _MOST_WORDS:
        return None
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return None
    left: _Pieces = []
    right: _Pieces = []
    for tag, first, last, start, end in matcher.get_opcodes():
        left.append((tag != "equal", "".join(old[first:last])))
        right.append((tag != "equal", "".join(new[start:end])))
    return left, right


def _emphasised(pieces: _Pieces, kind: str, theme: Theme) -> str:
    plain: Role = "added" if kind == "added" else "removed"
    strong: Role = "added_word" if kind == "added" else "removed_word"
    return "".join(theme.paint(strong if differs else plain, _safe(text)) for differs, text in pieces if text)


def _row(number: int, sign: str, text: str, digits: int, role: Role, theme: Theme, width: int) -> list[str]:
    first = theme.paint("dim", f"{number:>{digits}} ") + theme.paint(role, f"{sign} ")
    return wrap(text, width, " " * (digits + 3), first, exact=True)


def _shortened(line: str, longest: int) -> str:
    return f"{line[:longest]}… {len(line) - longest:,} more" if len(line) > longest else line


def _safe(text: str) -> str:
    return visible(text.replace("\t", "    "), one_line=True)
