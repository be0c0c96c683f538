"""`/model` at the plain prompt: the models there are, and which one the user wants."""

from collections.abc import Awaitable, Callable

import msgspec

from vtcode.providers import ModelInfo
from vtcode.providers.catalogue import Entry, offered
from vtcode.text import visible

CUSTOM = "Custom LM Studio model"
"""The row by which any other id can be typed."""


class Choices(msgspec.Struct, frozen=True):
    """What can be chosen: the default catalogue, then what else the server lists, then an id of one's own."""

    ids: tuple[str, ...]
    rows: tuple[str, ...]
    """For the screen, one an id, and one for the last choice."""


def choices(provider: str, listed: list[ModelInfo], current: str) -> Choices:
    """Lay out what can be chosen."""
    entries = offered(provider, listed)
    ids = tuple(entry.info.id for entry in entries)
    rows = [f"{number:>3}  {_row(entry, current)}" for number, entry in enumerate(entries, 1)]
    return Choices(ids, (*rows, f"{len(ids) + 1:>3}  {CUSTOM} (type its id)"))


async def pick(offered: Choices, ask: Callable[[str], Awaitable[str]]) -> str | None:
    """Ask for a number or an id; None when nothing is chosen.

    Args:
        ask: shows a question and returns what was typed.
    """
    typed = (await ask("Model: ")).strip()
    if not typed.isdecimal():
        return typed or None
    number = int(typed) if len(typed) < 9 else 0
    if number == len(offered.ids) + 1:
        return (await ask("Its id: ")).strip() or None
    return offered.ids[number - 1] if 1 <= number <= len(offered.ids) else None


def _row(entry: Entry, current: str) -> str:
    info = entry.info
    facts = [
        "in use" if info.id == current else "",
        "loaded" if info.is_loaded else "" if entry.source == "server" else "not on the server yet",
        f"{info.context_length:,} tokens" if info.context_length else "",
        "tools" if info.trained_for_tools else "",
    ]
    return visible(f"{info.id:<50} {', '.join(fact for fact in facts if fact)}".rstrip(), one_line=True)
