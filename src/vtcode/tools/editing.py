"""One passage of a text replaced: word for word, else with blanks that differ, and never by guess."""

import re
from bisect import bisect_left
from typing import Final

from vtcode.tools.matching import find_loosely, fit, nearest, unnumbered
from vtcode.tools.textfile import TextFile
from vtcode.workspace import WorkspaceError

_SHOWN_MATCHES: Final = 10
_QUOTED: Final = 120


class EditRefused(WorkspaceError):
    """The edit does not fit the file."""


def encoded(file: TextFile, text: str) -> bytes:
    """Encode the new text of a file as it was. Raises EditRefused where its encoding lacks a letter."""
    try:
        return file.encode(text)
    except UnicodeEncodeError as error:
        letter = error.object[error.start]
        raise EditRefused(
            f"The new text has {letter!r}, which the file's encoding ({file.encoding}) lacks."
        ) from error


def replaced(shown: str, file: TextFile, old: str, new: str) -> str:
    """Put `new` in the one place of `old`: as it is given, else with blanks that differ."""
    places = _places(file.text, old)
    if len(places) > 1:
        raise EditRefused(_ambiguous(shown, [file.text.count("\n", 0, start) + 1 for start, _ in places]))
    is_deeper = bool(places) and _is_indented_deeper(file.text, places[0][0], old, new)
    if places and not is_deeper:
        start, end = places[0]
        matched = file.text[start:end]
        newline = "\r\n" if "\r\n" in matched else "\n" if "\n" in matched else file.newline
        return file.text[:start] + new.replace("\n", newline) + file.text[end:]
    if (text := _replaced_loosely(shown, file, old, new)) is not None:
        return text
    if (bare := unnumbered(old, new)) is not None and bare[0].strip():
        return replaced(shown, file, *bare)
    raise EditRefused(_not_found(shown, file.text, old, new))


def _is_indented_deeper(text: str, start: int, old: str, new: str) -> bool:
    """Whether a line was given with less indentation than it has, so that lines put there would have too little."""
    line = old.removesuffix("\n")
    return "\n" not in line and "\n" in new and line[:1] in {" ", "\t"} and text[start - 1 : start] in {" ", "\t"}


def _replaced_loosely(shown: str, file: TextFile, old: str, new: str) -> str | None:
    """Replace whole lines that are `old` but for their blanks; None where there are none."""
    while old.startswith("\n") and new.startswith("\n"):
        old, new = old[1:], new[1:]
    if old.endswith("\n"):
        # Whole lines, with the newline of the last one.
        old = old[:-1]
        wanted, given = old.split("\n"), new.removesuffix("\n").split("\n") if new else []
    else:
        wanted, given = old.split("\n"), new.split("\n")
    lines = file.text.split("\n")
    places = find_loosely(lines, wanted, _SHOWN_MATCHES + 1)
    if not places:
        return None
    if len(places) > 1:
        raise EditRefused(_ambiguous(shown, [place + 1 for place in places], ", blanks aside"))
    start, end = places[0], places[0] + len(wanted)
    fitted = replace_lines(lines, start, end, wanted, given)
    if fitted is None or fitted == lines:
        where = f"line {start + 1}" if end == start + 1 else f"lines {start + 1}-{end}"
        raise EditRefused(
            f"old_str differs from {where} of {shown} in its blanks. Copy the text exactly, blanks included."
            f"{nearest(lines, wanted)}"
        )
    return "\n".join(fitted)


def replace_lines(lines: list[str], start: int, end: int, old: list[str], new: list[str]) -> list[str] | None:
    """Replace lines that are `old` but for blanks with `new`, fitted to them; None where it cannot be fitted.

    Lines are what stands between newlines: of CRLF files they end with a carriage return, but for the last.
    """
    there = lines[start:end]
    ending = "\r" if any(line.endswith("\r") for line in (there if end < len(lines) else lines)) else ""
    fitted = fit(old, new, lines, start, ending)
    if fitted is None:
        return None
    if end == len(lines) and fitted and ending:
        fitted = [line if line.endswith(ending) else line + ending for line in fitted[:-1]] + [
            fitted[-1].rstrip("\r")
        ]
    return [*lines[:start], *fitted, *lines[end:]]


def unix(text: str) -> str:
    """Write newlines as a single character."""
    return text.replace("\r\n", "\n")


def _places(text: str, wanted: str) -> list[tuple[int, int]]:
    r"""Find where `wanted` stands, overlaps included; each \n of it matches the text's \n or \r\n."""
    plain = unix(text)
    starts: list[int] = []
    at = 0
    while len(starts) <= _SHOWN_MATCHES and (at := plain.find(wanted, at)) >= 0:
        starts.append(at)
        at += 1
    # Each carriage return that was left out lies before all that comes after it.
    returns = [match.start() - index for index, match in enumerate(re.finditer("\r\n", text))]
    ends = ((start, start + len(wanted)) for start in starts)
    return [(start + bisect_left(returns, start), end + bisect_left(returns, end)) for start, end in ends]


def _ambiguous(shown: str, numbers: list[int], aside: str = "") -> str:
    more = len(numbers) > _SHOWN_MATCHES
    count = f"more than {_SHOWN_MATCHES}" if more else str(len(numbers))
    where = ", ".join(map(str, numbers[:_SHOWN_MATCHES]))
    return (
        f"old_str occurs {count} times in {shown} (lines {where}){aside}. Add lines around it so that it occurs once."
    )


def _not_found(shown: str, text: str, wanted: str, new: str) -> str:
    """Tell that nothing matched, with what comes nearest."""
    line = next((line for line in wanted.splitlines() if line.strip()), wanted)[:_QUOTED]
    sentence = f'old_str was not found in {shown}: "{line.strip()}".'
    if new.strip() and len(places := _places(text, new)) == 1:
        sentence += f" new_str is there already (line {text.count(chr(10), 0, places[0][0]) + 1})."
    near = nearest([line.removesuffix("\r") for line in text.split("\n")], wanted.strip("\n").split("\n"))
    return f"{sentence}{near or ' '}Read the file and copy the text exactly, blanks included."
