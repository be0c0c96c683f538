"""What fits what is being typed: commands after `/`, files after `@`."""

import re
from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest
from typing import Final

import msgspec

from vtcode.text import visible

MOST: Final = 8
"""Items that are offered."""

_MENTION: Final = re.compile(r'(?:^|(?<=[\s(]))@("[^"]*|[^\s"]*)$')
_COMMAND: Final = re.compile(r"/[\w:-]*$")
_ARGUMENT: Final = re.compile(r"(/[\w:-]+) +((?:[\w-]+ +)*)([\w-]+)")
"""Begun at least: Enter takes what is offered, and behind a mere blank nobody has said what they want."""


class Item(msgspec.Struct, frozen=True):
    """Something that can be put in the place of the word."""

    text: str
    display: str
    """Safe to show."""
    meta: str = ""
    goes_on: bool = False
    """Whether more of the word follows, so that no blank does."""
    takes_arguments: bool = False
    words: tuple[tuple[str, ...], ...] = ()
    """Of a command: what its first argument can be, and the ones after it."""


class Completions(msgspec.Struct, frozen=True):
    """What is offered, best first."""

    start: int = 0
    """Where the word begins."""
    items: tuple[Item, ...] = ()


class Names:
    """Names of files, ready to be searched."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names in order; those that cannot be written in a line, or in quotes, are left out."""
        self._names = [name for name in names if name.isprintable() and '"' not in name]
        self._lower = [name.lower() for name in self._names]

    def best(self, query: str, most: int = MOST) -> list[str]:
        """Return the names that fit, best first.

        Those whose last part begins with the query come first, then those that hold it, then those that have its
        letters in order. Shorter ones come before longer ones.
        """
        wanted = query.lower()
        if not wanted:
            return self._names[:most]
        holding = [at for at, lower in enumerate(self._lower) if wanted in lower]
        found = nsmallest(most, holding, key=lambda at: _rank(self._lower[at], wanted))
        if len(found) < most:
            # Slow, and seldom of use: mostly a piece of a name is typed.
            scattered = re.compile("".join(f"[^{letter}]*{letter}" for letter in map(re.escape, wanted))).match
            taken = set(holding)
            others = [at for at, lower in enumerate(self._lower) if scattered(lower) and at not in taken]
            found += nsmallest(most - len(found), others, key=lambda at: (len(self._names[at]), self._names[at]))
        return [self._names[at] for at in found]


def _rank(name: str, wanted: str) -> tuple[int, int, str]:
    """Tell how badly a name fits that holds what is wanted."""
    last = name.rfind("/") + 1
    if name.startswith(wanted, last):
        return 0, len(name), name
    return 1 if name.startswith(wanted) or name.find(wanted, last) >= 0 else 2, len(name), name


def complete(before: str, files: Names, commands: Callable[[], Sequence[Item]]) -> Completions:
    """Find what fits the word that ends the text.

    Args:
        before: what stands before the cursor.
        files: what a mention may name.
        commands: lists all there are.
    """
    if _COMMAND.fullmatch(before):
        word = before[1:].lower()
        known = commands()
        fitting = [item for item in known if item.text[1:].startswith(word)]
        fitting += [item for item in known if item not in fitting and word in item.text]
        return Completions(0, tuple(fitting[:MOST]))
    if (match := _ARGUMENT.fullmatch(before)) is not None:
        words = next((item.words for item in commands() if item.text == match[1]), ())
        at = len(match[2].split())
        rest = at + 1 < len(words)
        fitting = [word for word in words[at] if word.startswith(match[3].lower())] if at < len(words) else []
        return Completions(match.start(3), tuple(Item(word, word, takes_arguments=rest) for word in fitting[:MOST]))
    if (match := _MENTION.search(before)) is not None:
        query = match[1].removeprefix('"')
        return Completions(match.start(), tuple(map(_mention, files.best(query))))
    return Completions()


def _mention(name: str) -> Item:
    """Write a file as it is mentioned: the model is given its name, and reads it when it needs to."""
    text = f'@"{name}"' if re.search(r"\s", name) else f"@{name}"
    return Item(text, visible(name, one_line=True))
