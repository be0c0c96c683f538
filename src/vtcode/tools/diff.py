"""The difference of two texts, for the person who approves it."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

_CONTEXT: Final = 3
_MOST_COMPARED: Final = 2_000
"""Lines, old and new together, up to which the shortest difference is looked for: the search is quadratic."""

_MOST_KEPT: Final = 20_000
"""Characters of a diff that are kept."""

_Change = tuple[int, int, int, int]
"""Lines from and to of the old text, and from and to of the new."""


def unified_diff(name: str, old: str | None, new: str | None) -> str:
    """Return a unified diff; None stands for no file. Every changed line is in it."""
    before, after = _lines(old or ""), _lines(new or "")
    if old is not None and new is not None and "\r\n" in old and "\r\n" in new:
        before, after = ([line.removesuffix("\r") for line in lines] for lines in (before, after))
    head = ["--- /dev/null" if old is None else f"--- a/{name}", "+++ /dev/null" if new is None else f"+++ b/{name}"]
    hunks = [line for group in _grouped(_changes(before, after)) for line in _hunk(group, before, after)]
    return "\n".join([*head, *hunks])


def count_changes(old: str, new: str) -> tuple[int, int]:
    """Return how many lines were added and removed."""
    changes = _changes(_lines(old), _lines(new))
    return sum(c[3] - c[2] for c in changes), sum(c[1] - c[0] for c in changes)


def shortened(diff: str) -> str:
    """Cut a long diff after a whole line, and say so."""
    if len(diff) <= _MOST_KEPT:
        return diff
    kept = diff[:_MOST_KEPT].rpartition("\n")[0]
    return f"{kept}\n… {diff.count(chr(10)) - kept.count(chr(10)):,} more lines"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1]:
        # Part of the line, so that a newline added or lost at the end is a change that can be seen.
        lines[-1] += "\n\\ No newline at end of file"
    else:
        lines.pop()
    return lines


def _changes(before: list[str], after: list[str]) -> list[_Change]:
    """List what changed, in order; equal lines at both ends are never compared the expensive way."""
    start, shortest = 0, min(len(before), len(after))
    while start < shortest and before[start] == after[start]:
        start += 1
    end = 0
    while end < shortest - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not old and not new:
        return []
    if len(old) + len(new) > _MOST_COMPARED:
        return [(start, start + len(old), start, start + len(new))]
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [(i1 + start, i2 + start, j1 + start, j2 + start) for tag, i1, i2, j1, j2 in opcodes if tag != "equal"]


def _grouped(changes: list[_Change]) -> Iterator[list[_Change]]:
    """Yield changes that share their context lines together."""
    group: list[_Change] = []
    for change in changes:
        if group and change[0] - group[-1][1] > 2 * _CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(group: list[_Change], before: list[str], after: list[str]) -> Iterator[str]:
    lead = min(_CONTEXT, group[0][0])
    trail = min(_CONTEXT, len(before) - group[-1][1])
    old_from, old_to = group[0][0] - lead, group[-1][1] + trail
    new_from, new_to = group[0][2] - lead, group[-1][3] + trail
    yield f"@@ -{_range(old_from, old_to)} +{_range(new_from, new_to)} @@"
    at = old_from
    for i1, i2, j1, j2 in group:
        yield from (f" {line}" for line in before[at:i1])
        yield from (f"-{line}" for line in before[i1:i2])
        yield from (f"+{line}" for line in after[j1:j2])
        at = i2
    yield from (f" {line}" for line in before[at:old_to])


def _range(start: int, end: int) -> str:
    count = end - start
    return f"{start + 1 if count else start},{count}"
