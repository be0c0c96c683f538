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


class Item(msgspec.Struct, frozen=True):
    """Something that can be put in the place of the word."""

    text: str
    display: str
    """Safe to show."""
    meta: str = ""
    goes_on: bool = False
    """Whether more of the word follows, so that no blank does."""
    takes_arguments: bool = False


class Completions(msgspec.Struct, frozen=True):
    """What is offered, best first."""

    start: int = 0
    """Where the word begins."""
    items: tuple[Item, ...] = ()


class Names:
    """Names of files, ready to be searched."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names in order; those that cannot be written in a line are left out."""
        self._names = [name for name in names if name.isprintable()]
        self._lower = [name.lower() for name in self._names]

    def best(self, query: str, most: int = MOST) -> list[str]:
        """Return the names that fit, best first.

        Those whose last part begins with the query come first, then those that hold it, then those that have its
        letters in order. Shorter ones come before longer ones.
        """
        wanted = query.lower()
        if not wanted:
            return self._names[:most]
        letters = re.compile(".*?".join(map(re.escape, wanted)))
        scored: list[tuple[int, int, str]] = []
        for name, lower in zip(self._names, self._lower, strict=True):
            at = lower.find(wanted)
            if at >= 0:
                last = lower.rfind("/") + 1
                rank = 0 if lower.startswith(wanted, last) else 1 if at == 0 or lower.find(wanted, last) >= 0 else 2
            elif letters.search(lower):
                rank = 3
            else:
                continue
            scored.append((rank, len(name), name))
        return [name for _, _, name in nsmallest(most, scored)]


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
    if (match := _MENTION.search(before)) is not None:
        query = match[1].removeprefix('"')
        return Completions(match.start(), tuple(map(_mention, files.best(query))))
    return Completions()


def _mention(name: str) -> Item:
    """Write a file as it is mentioned: the model is given its name, and reads it when it needs to."""
    text = f'@"{name}"' if re.search(r'[\s"]', name) else f"@{name}"
    return Item(text, visible(name, one_line=True))
