"""A list to choose from, narrowed by what is typed."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from vtcode.text import visible
from vtcode.tui.panel import Entry, Panel
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut, width_of

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
        head.append(cut(f"{theme.paint('prompt', '/')} {visible(self._entry.text, one_line=True)}", width))
        keys = "Up, Down and Enter choose · typing narrows · Esc closes"
        foot = [theme.paint("dim", cut(keys, width))]
        room = max(1, min(_MOST_ROWS, height - len(head) - len(foot)))
        body = self._body(width, room)
        return [*head, *body, *foot][:height]

    def cursor(self, width: int, height: int) -> tuple[int, int] | None:
        row = 2 if self._note else 1
        typed = visible(self._entry.text[: self._entry.at], one_line=True)
        return (row, min(width - 1, 2 + width_of(typed))) if row < height else None

    def _body(self, width: int, room: int) -> list[str]:
        if not self._found:
            words = "Enter takes what you typed" if self._typed is not None and self._entry.text else "nothing fits"
            return [self._theme.paint("dim", cut(f"  {words}", width))]
        lines: list[str] = []
        marked = 0
        group = ""
        for at, row in enumerate(self._found):
            if row.group and row.group != group and not self._entry.text:
                lines.append(self._theme.paint("dim", cut(visible(row.group, one_line=True), width)))
                group = row.group
            if at == self._at:
                marked = len(lines)
            lines.append(self._row(row, width, is_marked=at == self._at))
        start = min(max(0, marked - room // 2), max(0, len(lines) - room))
        if start == 1 and room > 2:
            start = 0 if marked < room else 1
        return lines[start : start + room]

    def _row(self, row: Row[T], width: int, *, is_marked: bool) -> str:
        text = visible(row.text, one_line=True)
        detail = visible(row.detail, one_line=True)
        sign = "›" if is_marked else " "
        if row.is_disabled:
            return self._theme.paint("dim", cut(f"{sign} {text}  {detail}".rstrip(), width))
        name = self._theme.paint("selected", f"{sign} {text}") if is_marked else f"{sign} {text}"
        return cut(name + (self._theme.paint("dim", f"  {detail}") if detail else ""), width)

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
        letters = re.compile(".*?".join(map(re.escape, query)))
        ranked: list[tuple[int, int, Row[T]]] = []
        for at, row in enumerate(self._rows):
            text = row.text.lower()
            if (place := text.find(query)) >= 0:
                ranked.append((0 if place == 0 else 1, at, row))
            elif row.always:
                ranked.append((9, at, row))
            elif letters.search(text):
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
