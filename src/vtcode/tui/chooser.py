"""A list to choose from, narrowed by what is typed."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

import msgspec

from vtcode.text import visible
from vtcode.tui.entryline import entry_line
from vtcode.tui.panel import Entry, Panel
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut

T = TypeVar("T")

_MOST_ROWS: Final = 12


class Row(msgspec.Struct, Generic[T], frozen=True):
    """Something to choose."""

    value: T
    text: str
    """What is looked for, and shown first; it is made safe here, as the rest is."""
    detail: str = ""
    group: str = ""
    """Said above the first row of each, as long as nothing is typed."""
    is_disabled: bool = False
    """Shown, and not to be chosen."""
    always: bool = False
    """Whether it stays in the list whatever is typed."""


class Chooser(Panel[T]):
    """Arrows move, Enter chooses, typing narrows it, Esc gives up."""

    def __init__(
        self,
        title: str,
        rows: Sequence[Row[T]],
        theme: Theme,
        *,
        note: str = "",
        typed: Callable[[str], T] | None = None,
        on_highlight: Callable[[T], None] | None = None,
        start: T | None = None,
    ) -> None:
        """Lay it out.

        Args:
            note: a sentence under the title.
            typed: makes a choice of what was typed where no row has it; None where that is none.
            on_highlight: told of each row that the mark comes to.
            start: the value that is marked at first.
        """
        super().__init__()
        self._title = title
        self._note = note
        self._theme = theme
        self._typed = typed
        self._on_highlight = on_highlight
        self._entry = Entry()
        self._rows = list(rows)
        self._found: list[Row[T]] = list(rows)
        self._at = next((at for at, row in enumerate(rows) if start is not None and row.value == start), 0)
        self._skip(1)

    def set_rows(self, rows: Sequence[Row[T]], note: str | None = None) -> None:
        """Take another list, of which the marked row stays marked."""
        marked = self._found[self._at].value if self._found else None
        self._rows = list(rows)
        self._note = self._note if note is None else note
        self._search()
        self._at = next((at for at, row in enumerate(self._found) if row.value == marked), self._at)
        self._skip(1)
        self.on_change()

    @property
    def theme(self) -> Theme:
        return self._theme

    @theme.setter
    def theme(self, theme: Theme) -> None:
        self._theme = theme

    def lines(self, width: int, height: int) -> list[str]:
        theme = self._theme
        count = f"{len(self._found)} of {len(self._rows)}" if self._entry.text else str(len(self._rows))
        head = [
            cut(f"{theme.paint('heading', visible(self._title, one_line=True))} {theme.paint('dim', count)}", width)
        ]
        if self._note:
            head.append(theme.paint("dim", cut(visible(self._note, one_line=True), width)))
        typed, _ = entry_line(self._entry, max(0, width - 2))
        head.append(cut(f"{theme.paint('prompt', '/')} {typed}", width))
        keys = "Up, Down and Enter choose · typing narrows · Esc closes"
        foot = [theme.paint("dim", cut(keys, width))]
        room = max(1, min(_MOST_ROWS, height - len(head) - len(foot)))
        body = self._body(width, room)
        return [*head, *body, *foot][:height]

    def cursor(self, width: int, height: int) -> tuple[int, int] | None:
        row = 2 if self._note else 1
        _, column = entry_line(self._entry, max(0, width - 2))
        return (row, min(width - 1, 2 + column)) if row < height else None

    def _body(self, width: int, room: int) -> list[str]:
        if not self._found:
            words = "Enter takes what you typed" if self._typed is not None and self._entry.text else "nothing fits"
            return [self._theme.paint("dim", cut(f"  {words}", width))]
        # Only what is on the screen is drawn: the list may have ten thousand rows.
        plan: list[int | str] = []
        marked = 0
        group = ""
        for at, row in enumerate(self._found):
            if row.group and row.group != group and not self._entry.text:
                plan.append(row.group)
                group = row.group
            if at == self._at:
                marked = len(plan)
            plan.append(at)
        start = min(max(0, marked - room // 2), max(0, len(plan) - room))
        if start == 1 and room > 2:
            start = 0 if marked < room else 1
        return [
            self._theme.paint("dim", cut(visible(place, one_line=True), width))
            if isinstance(place, str)
            else self._row(self._found[place], width, is_marked=place == self._at)
            for place in plan[start : start + room]
        ]

    def _row(self, row: Row[T], width: int, *, is_marked: bool) -> str:
        # No letter needs more than a few characters: what is far longer than the line is not looked at.
        text = visible(row.text[: width * 10], one_line=True)
        detail = visible(row.detail[: width * 10], one_line=True)
        sign = "›" if is_marked else " "
        if row.is_disabled:
            return self._theme.paint("dim", cut(f"{sign} {text}  {detail}".rstrip(), width))
        name = self._theme.paint("selected", f"{sign} {text}") if is_marked else f"{sign} {self._emphasised(text)}"
        return cut(name + (self._theme.paint("dim", f"  {detail}") if detail else ""), width)

    def _emphasised(self, text: str) -> str:
        """Paint the letters that were looked for."""
        query, lower = self._entry.text.strip().lower(), text.lower()
        if not query or len(lower) != len(text):
            # Some letters are several when they are small; then it is not known which they were.
            return text
        place = lower.find(query)
        letters = set(range(place, place + len(query))) if place >= 0 else set(_in_order(query, lower) or ())
        return "".join(
            self._theme.paint("accent", "".join(text[at] for at in run))
            if is_meant
            else "".join(text[at] for at in run)
            for is_meant, run in groupby(range(len(text)), key=letters.__contains__)
        )

    # Keys ----------------------------------------------------------------------------------------------------

    def press(self, key: str) -> None:
        match key:
            case "up" | "c-p":
                self._move(-1)
            case "down" | "c-n" | "tab":
                self._move(1)
            case "s-tab":
                self._move(-1)
            case "pageup":
                self._move(-min(_MOST_ROWS, self._at))
            case "pagedown":
                self._move(min(_MOST_ROWS, len(self._found) - 1 - self._at))
            case "enter":
                self._choose()
            case "escape" | "c-c" | "c-d":
                self.finish(None)
            case _ if self._entry.press(key):
                self._narrow()
            case _:
                pass

    def paste(self, text: str) -> None:
        self._entry.paste(text)
        self._narrow()

    def _choose(self) -> None:
        if self._found:
            row = self._found[self._at]
            if not row.is_disabled:
                self.finish(row.value)
        elif self._typed is not None and self._entry.text.strip():
            self.finish(self._typed(self._entry.text.strip()))

    @property
    def typed(self) -> str:
        """What was typed."""
        return self._entry.text.strip()

    def _narrow(self) -> None:
        self._search()
        self._at = 0
        self._skip(1)
        self._tell()

    def _search(self) -> None:
        query = self._entry.text.strip().lower()
        if not query:
            self._found = list(self._rows)
            return
        ranked: list[tuple[int, int, Row[T]]] = []
        for at, row in enumerate(self._rows):
            text = row.text.lower()
            if (place := text.find(query)) >= 0:
                ranked.append((0 if place == 0 else 1, at, row))
            elif row.always:
                ranked.append((9, at, row))
            elif _in_order(query, text) is not None:
                ranked.append((2, at, row))
            elif query in row.detail.lower():
                ranked.append((3, at, row))
        self._found = [row for _, _, row in sorted(ranked, key=_rank)]

    def _move(self, by: int) -> None:
        if self._found and by:
            self._at = (self._at + by) % len(self._found)
            self._skip(1 if by > 0 else -1)
            self._tell()

    def _skip(self, by: int) -> None:
        """Go on to a row that can be chosen, if there is one."""
        self._at = min(self._at, max(0, len(self._found) - 1))
        for _ in self._found:
            if not self._found[self._at].is_disabled:
                return
            self._at = (self._at + by) % len(self._found)

    def _tell(self) -> None:
        if self._on_highlight is not None and self._found:
            self._on_highlight(self._found[self._at].value)


def _rank(ranked: tuple[int, int, Row[Any]]) -> tuple[int, int]:
    return ranked[:2]


def _in_order(letters: str, text: str) -> list[int] | None:
    """Find where letters stand in a text one after the other; None when they do not.

    Not by a regular expression: one that fails tries every way to place them, which takes hours for `aaaaaaab`.
    """
    places: list[int] = []
    at = -1
    for letter in letters:
        at = text.find(letter, at + 1)
        if at < 0:
            return None
        places.append(at)
    return places
