"""Hunks of a patch placed in a text, and the text that they make of it."""

from collections.abc import Sequence
from typing import Final

from vtcode.tools.matching import find_loosely, find_run, fit, loose, nearest
from vtcode.tools.patchfile import Hunk
from vtcode.tools.textfile import TextFile

_MOST_PLACES: Final = 1_000
_SHOWN_PLACES: Final = 10
_QUOTED: Final = 80

_Edit = tuple[int, int, list[str]]
"""Lines from and to, and what takes their place."""


class Misplaced(ValueError):
    """A hunk fits nowhere, or in several places; the message is a sentence for the model."""


def apply_hunks(file: TextFile, hunks: Sequence[Hunk]) -> str:
    """Return the text that the hunks make of a file. Raises Misplaced.

    Each is placed in the text as it was, after the one before it if it fits there.
    """
    lines = file.text.split("\n")
    # A patch that has carriage returns of its own says where they are.
    is_exact = any(text.endswith("\r") for hunk in hunks for _, text in hunk.lines)
    ending = "\r" if file.newline == "\r\n" and not is_exact else ""
    is_terminated = lines[-1] == ""
    if is_terminated:
        lines.pop()
    elif ending:
        lines[-1] += ending
    edits: list[_Edit] = []
    at = 0
    for number, hunk in enumerate(hunks, 1):
        start, is_there = _place(hunk, lines, at, f"Hunk {number}" if len(hunks) > 1 else "The hunk")
        end = start + len(hunk.old)
        new = _exactly(hunk, lines[start:end], ending) if is_there else _fitted(hunk, lines, start, ending)
        if any(start < edit[1] and edit[0] < end for edit in edits):
            raise Misplaced(f"Hunk {number} changes lines that an earlier hunk has changed.")
        edits.append((start, end, new))
        at = max(at, end)
        if end == len(lines) and hunk.ends_with_newline is not None:
            is_terminated = hunk.ends_with_newline
    if not file.text:
        is_terminated = all(hunk.ends_with_newline is not False for hunk in hunks)
    # From the last to the first; of several in one place, which only insert, the last given stays last.
    for _, (start, end, new) in sorted(enumerate(edits), key=lambda edit: (edit[1][0], edit[0]), reverse=True):
        lines[start:end] = new
    text = "\n".join(lines)
    if not lines:
        return ""
    return text + "\n" if is_terminated else text.removesuffix("\r") if ending else text


def _exactly(hunk: Hunk, there: list[str], ending: str) -> list[str]:
    """Make the new lines; those that stay keep the newline that they have."""
    kept = iter(there)
    new: list[str] = []
    for mark, text in hunk.lines:
        if mark == "+":
            new.append(text + ending)
        elif mark == " ":
            new.append(next(kept))
        else:
            next(kept)
    return new


def _fitted(hunk: Hunk, lines: list[str], start: int, ending: str) -> list[str]:
    fitted = fit(hunk.old, hunk.new, lines, start, ending)
    if fitted is None:
        raise Misplaced(f"The blanks of these lines differ in more than one way: {_quoted(hunk)}. Copy them exactly.")
    return fitted


def _place(hunk: Hunk, lines: list[str], at: int, name: str) -> tuple[int, bool]:
    """Return where the old lines of a hunk begin, and whether they are there word for word."""
    if not hunk.old:
        return _insertion(hunk, lines, name), True
    bare, old = ([line.removesuffix("\r") for line in some] for some in (lines, hunk.old))
    hinted = (hunk.line or 0) - 1
    if hinted >= 0 and bare[hinted : hinted + len(old)] == old:
        return hinted, True
    exact = find_run(bare, old, _MOST_PLACES)
    places = exact or find_loosely(lines, old, _MOST_PLACES)
    if hunk.is_at_end:
        places = [place for place in places if place + len(old) == len(lines)]
    if not places:
        near = nearest(bare, old)
        raise Misplaced(
            f"{name} was not found: {_quoted(hunk)}.{near or ' '}Read the file and copy its lines exactly."
        )
    if hinted in places:
        return hinted, bool(exact)
    if len(places) > 1 and hunk.scopes:
        places = _in_scope(hunk, lines, places, name)
    if len(places) > 1:
        places = [place for place in places if place >= at] or places
    if len(places) > 1:
        raise Misplaced(
            f"{name} fits in {len(places)} places (lines {_numbers(places)}): {_quoted(hunk)}. "
            'Add lines around it, or a line "@@ " with the function or class that it is in.'
        )
    return places[0], bool(exact)


def _in_scope(hunk: Hunk, lines: list[str], places: list[int], name: str) -> list[int]:
    """Keep of these places the first below each line that the scopes lead to."""
    begins = _scoped(hunk, lines, name)
    firsts = {next((place for place in places if place >= begin), None) for begin in begins}
    return sorted(place for place in firsts if place is not None) or places


def _scoped(hunk: Hunk, lines: list[str], name: str) -> list[int]:
    """Return where the innermost scope begins; several where it is not said clearly."""
    begins: list[int] | None = None
    for scope in hunk.scopes:
        sought = loose(scope)
        found = [at for at, line in enumerate(lines) if loose(line) == sought]
        found = found or [at for at, line in enumerate(lines) if loose(line).startswith(sought)]
        if begins is not None:
            below = {next((at for at in found if at >= begin), None) for begin in begins}
            found = sorted(at for at in below if at is not None)
        if not found:
            raise Misplaced(f'{name} is said to be at "{scope[:_QUOTED]}", which is not there.')
        begins = found
    return begins or []


def _insertion(hunk: Hunk, lines: list[str], name: str) -> int:
    """Return where lines go that come without any that stay or go."""
    if hunk.is_at_end or not lines:
        return len(lines)
    if hunk.line is not None and hunk.line - 1 <= len(lines):
        return hunk.line - 1
    if hunk.scopes:
        begins = _scoped(hunk, lines, name)
        if len(begins) == 1:
            return begins[0] + 1
        raise Misplaced(
            f'{name}: "{hunk.scopes[-1][:_QUOTED]}" occurs in lines {_numbers(begins)}. Add lines around it.'
        )
    raise Misplaced(f"{name} only adds lines, and does not say where: {_quoted(hunk)}. Add lines around them.")


def _numbers(places: list[int]) -> str:
    more = ", …" if len(places) > _SHOWN_PLACES else ""
    return ", ".join(str(place + 1) for place in places[:_SHOWN_PLACES]) + more


def _quoted(hunk: Hunk) -> str:
    lines = hunk.old or hunk.new
    line = next((line for line in lines if line.strip()), "")
    return f'"{line.strip()[:_QUOTED]}"'
