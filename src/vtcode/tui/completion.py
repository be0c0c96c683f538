"""What fits the word at the cursor: a command after `/`, its argument, a file after `@`."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from vtcode.text import visible

_MOST: Final = 8
_MOST_RANKED: Final = 3_000
"""Names that are compared closely; of more, the shortest are."""
_MENTION: Final = re.compile(r'(?:^|(?<=[\s(\[{,;]))@(?:"([^"\n]*)|([^\s"]*))$')
_PLAIN: Final = re.compile(r"[^\s\"]+")


class Item(msgspec.Struct, frozen=True):
    """One thing that is offered."""

    text: str
    """What is put in the place of the word."""
    display: str
    """How it is shown: safe, in one line."""
    meta: str = ""
    """What is said beside it."""
    goes_on: bool = False
    """Whether more of the same word may follow, so that no space is put behind it."""
    takes_arguments: bool = False
    """Whether a command waits for more."""


class Completions(msgspec.Struct, frozen=True):
    """What is offered, the best first."""

    start: int = 0
    """Where the word begins that an item is put in the place of."""
    items: tuple[Item, ...] = ()


class Names:
    """Paths of files, and of the folders that they are in, ready to be ranked.

    A name with a control character or a quotation mark in it is left out: it could not be typed as a mention.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        kept = [path for path in paths if path.isprintable() and '"' not in path]
        folders = sorted({f"{path[:at]}/" for path in kept for at in _slashes(path)})
        self._names: Sequence[str] = (*folders, *kept)
        self._shallow = sorted(self._names, key=lambda name: (name.rstrip("/").count("/"), name))[:_MOST]
        # One string for all: a search through it is one call, and not one for each name.
        self._lowered = "\n".join(self._names).lower().split("\n")

    def best(self, wanted: str, most: int = _MOST) -> list[str]:
        """Rank the names by how well they fit: letters of `wanted` in this order, best at the begins of words."""
        names, lowered = self._names, self._lowered
        needle = wanted.lower()
        if not needle:
            return self._shallow[:most]
        # In three steps, each for what the one before left room for: most of what is typed is a piece of a name.
        whole = [at for at, name in enumerate(lowered) if needle in name]
        if len(whole) > _MOST_RANKED:
            whole = sorted(whole, key=lambda at: len(lowered[at]))[:_MOST_RANKED]
        ranked = sorted(whole, key=lambda at: _rank(lowered[at], needle))[:most]
        if len(ranked) < most and len(needle) > 1:
            fits = re.compile("[^\n]*?".join(map(re.escape, needle))).search
            taken = set(whole)
            scattered = [
                (found.end() - found.start(), len(name), at)
                for at, name in enumerate(lowered)
                if at not in taken and (found := fits(name))
            ]
            ranked += [at for _, _, at in sorted(scattered)[: most - len(ranked)]]
        return [names[at] for at in ranked]


def _slashes(path: str) -> list[int]:
    return [at for at, character in enumerate(path) if character == "/"]


def _rank(name: str, needle: str) -> tuple[int, int, str]:
    """Tell how badly a piece fits: it is best as the name of the file, then at its begin, then at a folder's."""
    base = name.rstrip("/").rpartition("/")[2]
    if name == needle or base == needle:
        where = 0
    elif base.startswith(needle):
        where = 1
    elif name.startswith(needle):
        where = 2
    elif needle in base:
        where = 3
    elif f"/{needle}" in name:
        where = 4
    else:
        where = 5
    return where, len(name), name


def complete(before_cursor: str, names: Names, prompts: Iterable[tuple[str, str]] = ()) -> Completions:
    """Offer what fits the word at the cursor; nothing, where that is neither a command nor a mention.

    A mention stays in the text as it was typed, and the model reads the file with its tool when it needs it.

    Args:
        prompts: the person's own, by name, each with its description.
    """
    if (found := _MENTION.search(before_cursor)) is not None:
        wanted = found[1] if found[1] is not None else found[2]
        return Completions(found.start(), tuple(map(_mention, names.best(wanted))))
    if before_cursor.startswith("/") and "\n" not in before_cursor:
        # Here, since it brings every command with it, and commands complete their arguments by this module's `Item`.
        from vtcode.tui.commands import complete_command

        return complete_command(before_cursor, prompts)
    return Completions()


def of_words(typed: str, words: Iterable[tuple[str, str]], start: int) -> Completions:
    """Offer the words that begin as typed, each with what is said beside it."""
    fitting = [Item(word, visible(word, one_line=True), meta) for word, meta in words if word.startswith(typed)]
    return Completions(start, tuple(fitting[:_MOST]))


def _mention(name: str) -> Item:
    is_folder = name.endswith("/")
    if _PLAIN.fullmatch(name):
        return Item(f"@{name}", visible(name, one_line=True), goes_on=is_folder)
    # The end quote is left out of a folder's, so that a name in it can follow.
    quoted = f'@"{name}' if is_folder else f'@"{name}"'
    return Item(quoted, visible(name, one_line=True), goes_on=is_folder)
