"""Where a passage stands in a text whose blanks differ, and what replaces it there."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

_MOST_LINES: Final = 2_000
"""Lines of a passage up to which blanks may differ: the comparison is quadratic."""
_NEAREST_AMONG: Final = 4_000
"""Lines that are looked at one by one for the nearest to a text that was not found."""
_SHOWN_LINES: Final = 12
_QUOTED: Final = 120
_NUMBERED: Final = re.compile(r"\s*(\d+)(?:\t|: ?|\| ?|→ ?)(.*)")
_USUAL_WIDTH: Final = 4


def loose(line: str) -> str:
    """Return a line as it is compared: without blanks at its ends, one for each run of them within."""
    return " ".join(line.split())


def find_loosely(lines: Sequence[str], wanted: Sequence[str], most: int) -> list[int]:
    """Find where these whole lines stand, blanks aside; up to `most` places, as indexes."""
    sought = [loose(line) for line in wanted]
    if not any(sought) or len(sought) > _MOST_LINES:
        return []
    return find_run([loose(line) for line in lines], sought, most)


def find_run(lines: Sequence[str], wanted: Sequence[str], most: int) -> list[int]:
    """Find where these lines follow each other, overlaps included; up to `most` places, as indexes.

    Searched as one text, since that takes no longer when everything is nearly the same.
    """
    text, sought = "\n".join(["", *lines, ""]), "\n".join(["", *wanted, ""])
    places: list[int] = []
    at = line = 0
    while len(places) < most and (found := text.find(sought, at)) >= 0:
        line += text.count("\n", at, found)
        places.append(line)
        at, line = found + 1, line + 1
    return places


def fit(
    old: Sequence[str], new: Sequence[str], lines: Sequence[str], start: int, ending: str = ""
) -> list[str] | None:
    """Return `new`, which was written to replace `old`, with the indentation of the lines from `start` on.

    Lines that `old` and `new` share stay as they are there. None when the indentation differs in more than one way.
    """
    there = lines[start : start + len(old)]
    indents = _indents(old, there)
    if indents is None:
        return None
    width = _step(lines if any("\t" in given for given in indents) else [*old, "", *new]) or _width(indents)
    fitted: list[str] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            fitted += there[i1:i2]
            continue
        for line in new[j1:j2]:
            indent = _reindented(_indent(line), indents, width) if line.strip() else ""
            if indent is None:
                return None
            fitted.append(indent + line.lstrip(" \t") + ending)
    return fitted


def unnumbered(old: str, new: str) -> tuple[str, str] | None:
    """Take off line numbers that were copied along with a passage; None where there are none."""
    matches = [_NUMBERED.fullmatch(line) for line in old.removesuffix("\n").split("\n")]
    numbers = [int(match[1]) for match in matches if match]
    if len(numbers) < len(matches) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    lines = [match[2] for match in matches if match] + [""] * old.endswith("\n")
    bare = [match[2] if (match := _NUMBERED.fullmatch(line)) else line for line in new.split("\n")]
    return "\n".join(lines), "\n".join(bare)


def nearest(lines: Sequence[str], wanted: Sequence[str]) -> str:
    """Tell what comes nearest to a passage that was not found: ` The nearest is line 3: "…".`; or ``."""
    sought = [loose(line) for line in wanted]
    found = _most_shared(lines, sought)
    if found is None:
        return ""
    start, end = max(found, 0), min(found + len(sought), len(lines))
    if end - start <= 1:
        return f' The nearest is line {start + 1}: "{lines[start][:_QUOTED]}".'
    shown = [f"{number}: {line[:_QUOTED]}" for number, line in enumerate(lines[start:end], start + 1)]
    more = [] if len(shown) <= _SHOWN_LINES else ["…"]
    return f" The nearest are lines {start + 1}-{end}:\n" + "\n".join([*shown[:_SHOWN_LINES], *more]) + "\n"


def _most_shared(lines: Sequence[str], sought: list[str]) -> int | None:
    """Return where the passage would begin that has most of these lines, or the line most like the longest."""
    places = {line: index for index, line in reversed(list(enumerate(sought))) if line}
    begins = Counter[int]()
    for at, line in enumerate(lines):
        index = places.get(loose(line))
        if index is not None:
            # A brace says less than a sentence does.
            begins[at - index] += min(len(line.strip()), 40)
    if begins:
        return max(begins, key=lambda begin: (begins[begin], -begin))
    if not places:
        return None
    longest = max(places, key=len)[:_QUOTED]
    candidates = [loose(line)[:_QUOTED] for line in lines[:_NEAREST_AMONG]]
    close = difflib.get_close_matches(longest, candidates, n=1)
    return candidates.index(close[0]) - places[max(places, key=len)] if close else None


# Indentation --------------------------------------------------------------------------------------------


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indents(old: Sequence[str], there: Sequence[str]) -> dict[str, str] | None:
    """Map the indentations of the passage as it was given to those that it has; None if one maps to several."""
    indents: dict[str, str] = {}
    for given, actual in zip(old, there, strict=True):
        if given.strip() and indents.setdefault(_indent(given), _indent(actual)) != _indent(actual):
            return None
    return indents


def _step(lines: Sequence[str]) -> int | None:
    """Return by how many spaces lines are indented deeper than the ones before, at the least."""
    steps: set[int] = set()
    before: int | None = None
    for line in lines:
        indent = _indent(line)
        if line.strip() and "\t" not in indent:
            steps.add(len(indent) - (len(indent) if before is None else before))
            before = len(indent)
        elif not line:
            before = None
    return min((step for step in steps if step > 0), default=None)


def _width(indents: dict[str, str]) -> int:
    """Return how many spaces stand for a tab."""
    for given, actual in indents.items():
        spaces, tabs = (given, actual) if "\t" in actual else (actual, given)
        if tabs and set(tabs) == {"\t"} and set(spaces) == {" "} and len(spaces) % len(tabs) == 0:
            return len(spaces) // len(tabs)
    return _USUAL_WIDTH


def _reindented(indent: str, indents: dict[str, str], width: int) -> str | None:
    """Return the indentation there for one of the new text; None if nothing says what it would be."""
    if not indents or indent in indents:
        return indents.get(indent, indent)
    base = max((known for known in indents if indent.startswith(known)), key=len, default=None)
    if base is not None:
        return indents[base] + _in_style(indent[len(base) :], indents, width)
    # Less deep than any line that was given: as much less there.
    shallowest = min(indents, key=len)
    less = _in_style(shallowest.removeprefix(indent), indents, width)
    if shallowest.startswith(indent) and indents[shallowest].endswith(less):
        return indents[shallowest].removesuffix(less)
    return None


def _in_style(blanks: str, indents: dict[str, str], width: int) -> str:
    """Write further indentation with the character that is used there."""
    there = "".join(indents.values())
    if "\t" in there and set(blanks) == {" "} and len(blanks) % width == 0:
        return "\t" * (len(blanks) // width)
    if there and "\t" not in there and "\t" in blanks:
        return blanks.replace("\t", " " * width)
    if "\t" in there or any("\t" in given for given in indents):
        return blanks
    # Of two lines that are known, one is deeper: by so much there, by so much here.
    given = sorted(indents, key=len)
    step, actual = len(given[-1]) - len(given[0]), len(indents[given[-1]]) - len(indents[given[0]])
    if step > 0 and actual > 0 and len(blanks) * actual % step == 0:
        return " " * (len(blanks) * actual // step)
    return blanks
