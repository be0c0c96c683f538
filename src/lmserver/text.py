"""Text for people: tables, counts, and untrusted text that is safe to show."""

import unicodedata
from collections.abc import Sequence

_ZERO_WIDTH_JOINER = "\u200d"
"""Holds pictures together, as in families and flags; it is the one format character that stays."""

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def shown(text: str) -> str:
    r"""Escape every character that could steer a terminal or hide from the reader; newlines and tabs stay.

    An escape character becomes `\x1b`. Characters are judged one by one, so that a text may come in pieces.
    """
    if text.isprintable():
        return text
    return "".join(character if _is_safe(character) else ascii(character)[1:-1] for character in text)


def one_line(text: str) -> str:
    """Escape as `shown` does, newlines and tabs too."""
    return shown(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_safe(character: str) -> bool:
    return character in "\n\t" or character == _ZERO_WIDTH_JOINER or unicodedata.category(character) not in _UNSAFE


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows, of which the first is the heading, in columns two spaces apart."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def count(number: float) -> str:
    """Write a count in three figures: 134515008 → "135M"."""
    return _scaled(number, "KMBT")


def size(number: float) -> str:
    """Write bytes in three figures: 98362432 → "98.4 MB"."""
    figure = _scaled(number, "KMGT")
    return f"{figure[:-1]} {figure[-1]}B" if figure[-1].isalpha() else f"{figure} B"


def duration(seconds: float) -> str:
    """Write a time in its two largest units: 7384 → "2 h 3 min"."""
    whole = int(seconds)
    for unit, name, smaller_unit, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller_unit
            return f"{whole // unit} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def _scaled(number: float, units: str) -> str:
    unit = ""
    for larger in units:
        # 999.6 would be written as 1e+03.
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.3g}{unit}"
