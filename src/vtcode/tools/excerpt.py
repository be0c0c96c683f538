"""The lines of a text that a model is shown, as far as they fit, and a word on what is left out."""

import itertools
from typing import Final

import msgspec

from vtcode.tools.textfile import MOST_BYTES, TextFile, human_size

_FOOTER: Final = 160
"""Characters kept free for the line that says what was left out."""


class Excerpt(msgspec.Struct, frozen=True):
    """What is shown of a text."""

    text: str
    summary: str
    lines: range
    """The numbers of the lines that are there whole."""
    total: int


class Beyond(ValueError):
    """Lines were asked for that the file does not have; the message is a sentence for the model."""


def excerpt(
    shown: str, file: TextFile, start: int | None, end: int | None, limit: int, *, numbers: bool = False
) -> Excerpt:
    """Cut out lines from `start` to `end`, as many as fit into `limit` characters.

    Raises:
        Beyond: none of them are in the file.
    """
    lines = split_lines(file.text.replace("\r\n", "\n"))
    total = len(lines)
    if not lines:
        return Excerpt(f"[{shown} is empty]", f"{shown}, empty", range(1, 1), 0)
    first = max(start or 1, 1)
    last = min(total if end is None else end, total)
    if first > total:
        raise Beyond(f"{shown} has {plural(total, 'line')}{_beyond(file)}; start={first} lies beyond them.")
    if last < first:
        raise Beyond(f"end={end} is before start={first}. {shown} has {plural(total, 'line')}.")
    chosen = lines[first - 1 : last]
    if numbers:
        chosen = [f"{number}\t{line}" for number, line in enumerate(chosen, first)]
    text, fitting = "\n".join(chosen), len(chosen)
    if len(text) > limit:
        room = max(limit - _FOOTER, 1)
        ends = itertools.accumulate(len(line) + 1 for line in chosen)
        fitting = sum(1 for _ in itertools.takewhile(lambda end: end <= room + 1, ends))
        last = first + max(fitting, 1) - 1
        text = "\n".join(chosen[: max(fitting, 1)])
        if not fitting:
            text = f"{text[:room]}\n[line {first} goes on: {len(text):,} characters in all]"
    notes = _notes(file, first, last, total)
    text += f"\n[{'; '.join(notes)}]" if notes else ""
    return Excerpt(text, f"{shown}, lines {first}-{last} of {total}", range(first, first + fitting), total)


def split_lines(text: str) -> list[str]:
    """Split at newlines, without the empty line that would follow one at the end."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def plural(count: int, noun: str) -> str:
    """Write a number with its noun: `1 line`, `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _notes(file: TextFile, first: int, last: int, total: int) -> list[str]:
    notes: list[str] = []
    if (first, last) != (1, total) or not file.is_whole:
        notes.append(f"lines {first}-{last} of {total}{_beyond(file)}")
        if last < total:
            notes.append(f"continue with start={last + 1}")
    if file.is_guessed:
        notes.append(f"not UTF-8: read as {file.encoding}, and kept so in edits")
    return notes


def _beyond(file: TextFile) -> str:
    if file.is_whole:
        return ""
    return f" in its first {human_size(MOST_BYTES)}; the file has {human_size(file.size)}"
