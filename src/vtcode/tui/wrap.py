"""Columns: how wide text is on a screen, cut and wrapped to fit; SGR sequences take none and are kept whole."""

import re
from collections.abc import Iterator
from typing import Final

from prompt_toolkit.utils import get_cwidth

_SGR: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_RESET: Final = "\x1b[0m"
_PICTURE: Final = "\u200d\ufe0f"
"""Joins pictures, and has one drawn in colour: it and what is joined take no column of their own."""


def width_of(text: str) -> int:
    """Count the columns of one line."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(width for _, width in _cells(_SGR.sub("", text)))


def cut(text: str, width: int) -> str:
    """Cut a line that is too wide, and say so with `…`."""
    if width_of(text) <= width:
        return text
    kept, room = "", max(0, width - 1)
    for piece in _SGR.split(text):
        if _SGR.fullmatch(piece):
            kept += piece
            continue
        for cell, columns in _cells(piece):
            if columns > room:
                return kept + ("…" if width else "") + (_RESET if "\x1b" in kept else "")
            kept += cell
            room -= columns
    return kept


def fit(text: str, width: int) -> str:
    """Cut or fill a line to exactly so many columns."""
    text = cut(text, width)
    return text + " " * (width - width_of(text))


def wrap(text: str, width: int, indent: str = "", first: str | None = None, *, exact: bool = False) -> list[str]:
    """Break text into lines at blanks, and within words that are too long.

    Args:
        text: with newlines; tabs become blanks.
        width: columns, the indent's counted.
        indent: what each line begins with.
        first: what the first one begins with instead, of the same width.
        exact: break where a line is full and nowhere else, so that every blank is seen.
    """
    lines: list[str] = []
    room = max(1, width - width_of(indent))
    style = ""
    for line in text.expandtabs(4).split("\n"):
        for row, follows in _broken(line, room, style, exact=exact):
            lines.append((first if first is not None and not lines else indent) + row)
            style = follows
    return lines


def _broken(line: str, room: int, style: str, *, exact: bool) -> Iterator[tuple[str, str]]:
    """Yield the rows of a line, each with the style that the next one goes on with."""
    if len(line) <= room and line.isascii() and line.isprintable() and not style:
        yield line, ""
        return
    row, used = style, 0
    began = style
    for word, columns in _words(line, exact=exact):
        if _SGR.fullmatch(word):
            row += word
            began = "" if word in (_RESET, "\x1b[m") else began + word
            continue
        if used and used + columns > room:
            if word.isspace() and not exact:
                # The blank that a line is broken at is not seen.
                yield _closed(row, began), began
                row, used = began, 0
                continue
            yield _closed(row if exact else row.rstrip(" "), began), began
            row, used = began, 0
        if columns > room:
            for cell, size in _cells(word):
                if used and used + size > room:
                    yield _closed(row, began), began
                    row, used = began, 0
                row += cell
                used += size
            continue
        row += word
        used += columns
    yield _closed(row, began), began


def _closed(row: str, style: str) -> str:
    return row + _RESET if style else row


def _words(line: str, *, exact: bool) -> Iterator[tuple[str, int]]:
    for piece in _SGR.split(line):
        if _SGR.fullmatch(piece):
            yield piece, 0
            continue
        if exact:
            yield from _cells(piece)
            continue
        for word in re.findall(r"\s+|\S+", piece):
            yield word, width_of(word)


def _cells(text: str) -> Iterator[tuple[str, int]]:
    """Yield what is drawn as one, with its columns: a letter with its marks, a picture with what is joined to it."""
    cell, columns = "", 0
    for character in text:
        width = get_cwidth(character)
        if cell and (width <= 0 or cell.endswith("\u200d")):
            cell += character
            continue
        if cell:
            yield cell, columns
        cell, columns = character, max(0, width)
    if cell:
        yield cell, columns
