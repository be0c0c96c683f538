"""What a person is asked in the window, and the approver that asks it there."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from vtcode.approver import Answer, ApprovalRequest, Decision
from vtcode.text import marked, visible
from vtcode.tui.approval import ApprovalPanel
from vtcode.tui.entryline import entry_line
from vtcode.tui.guard import Guard
from vtcode.tui.panel import Entry, Panel
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut, wrap

Show = Callable[[Panel[Any]], Awaitable[Any]]
_MOST_QUESTION: Final = 4_000
"""Characters of a question that are shown."""


class ConfirmPanel(Panel[bool]):
    """Yes or no, with no as the default, and no yes before the question was seen to its end."""

    def __init__(self, question: str, theme: Theme, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._question = question
        self._theme = theme
        self._guard = Guard(clock)
        self._is_yes = False
        self._top = 0
        """The first line of the question on the screen."""
        self._page = 1
        self._most = 0
        """The last value that the top can have."""
        self._seen_all = False

    def lines(self, width: int, height: int) -> list[str]:
        self._guard.drawn()
        theme = self._theme
        rows = wrap(marked(self._question), width)
        room = height - 2
        if len(rows) <= room:
            self._top = self._most = 0
            self._seen_all = True
        else:
            self._page = max(1, room - 1)
            self._most = len(rows) - self._page
            self._top = min(self._top, self._most)
            rows = rows[self._top : self._top + self._page]
            self._seen_all = self._seen_all or (self._top == self._most and len(rows) <= height)
            where = f"lines {self._top + 1}-{self._top + len(rows)} of {self._most + self._page} · Space scrolls"
            rows.append(theme.paint("dim" if self._seen_all else "warn", cut(where, width)))
        yes = self._answer("[y] Yes", is_marked=self._is_yes, width=width)
        if not self._seen_all:
            yes = theme.paint("dim", cut("  [y] Yes (scroll to the end first)", width))
        return [*rows, self._answer("[n] No", is_marked=not self._is_yes, width=width), yes][:height]

    def _answer(self, words: str, *, is_marked: bool, width: int) -> str:
        return cut(self._theme.paint("selected", f"› {words}") if is_marked else f"  {words}", width)

    def press(self, key: str) -> None:
        if key in ("escape", "c-c", "c-d"):
            self.finish(False)
        elif not self._guard.takes():
            return
        elif key in (" ", "pagedown") or (key == "down" and not self._seen_all):
            self._top = min(self._most, self._top + (1 if key == "down" else self._page))
        elif key == "pageup":
            self._top = max(0, self._top - self._page)
        elif key in ("up", "down", "tab", "left", "right"):
            self._is_yes = self._seen_all and not self._is_yes
        elif key == "enter":
            self.finish(self._is_yes)
        elif key.lower() == "n" or (key.lower() == "y" and self._seen_all):
            self.finish(key.lower() == "y")


class AnswerPanel(Panel[str]):
    """A question in words; the answer is one of those offered, or the person's own."""

    def __init__(
        self,
        question: str,
        choices: tuple[str, ...],
        theme: Theme,
        clock: Callable[[], float] = time.monotonic,
        *,
        text: str = "",
    ) -> None:
        super().__init__()
        self._question = question[:_MOST_QUESTION]
        self._choices = choices
        self._theme = theme
        self._guard = Guard(clock)
        self._entry = Entry(text)
        self._at = 0 if choices else -1
        """The choice that is marked; -1 for what is typed."""

    def lines(self, width: int, height: int) -> list[str]:
        self._guard.drawn()
        theme = self._theme
        entry, _ = entry_line(self._entry, max(0, width - 2))
        typed = cut(f"{theme.paint('prompt', '›' if self._at < 0 else ' ')} {entry}", width)
        keys = theme.paint("dim", cut("Enter answers · Up and Down choose, or type · Esc gives no answer", width))
        choices = self._offered(width, max(1, (height - 2) * 2 // 3))
        question = wrap(visible(self._question), width)
        room = max(1, height - len(choices) - 2)
        if len(question) > room:
            question = [*question[: room - 1], theme.paint("warn", cut(f"… {len(question) - room + 1} more", width))]
        return [*question, *choices, typed, keys][-height:]

    def cursor(self, width: int, height: int) -> tuple[int, int] | None:
        row = len(self.lines(width, height)) - 2
        _, column = entry_line(self._entry, max(0, width - 2))
        return (row, min(width - 1, 2 + column)) if row >= 0 and self._at < 0 else None

    def _offered(self, width: int, most: int) -> list[str]:
        """Draw the choices around the marked one; that one whole, as far as there is room."""
        if not self._choices:
            return []
        middle = self._at if self._at >= 0 else len(self._choices) - 1
        whole = self._choice(middle, width)[:most]
        room = most - len(whole)
        start = min(max(0, middle - room // 2), max(0, len(self._choices) - 1 - room))
        before = [cut(self._choice(at, 10 * width)[0], width) for at in range(start, middle)]
        after = range(middle + 1, min(len(self._choices), start + room + 1))
        return [*before, *whole, *(cut(self._choice(at, 10 * width)[0], width) for at in after)]

    def _choice(self, at: int, width: int) -> list[str]:
        number = f"{at + 1}. "
        rows = wrap(number + visible(self._choices[at], one_line=True), width, "  ")
        if at != self._at:
            return rows
        return [self._theme.paint("selected", f"›{row[1:]}" if not place else row) for place, row in enumerate(rows)]

    def press(self, key: str) -> None:
        if key in ("escape", "c-c", "c-d"):
            self.finish(None)
            return
        if not self._guard.takes():
            return
        places = len(self._choices) + 1
        if key in ("up", "down", "tab") and self._choices:
            # The entry stands below the last choice.
            at = (self._at % places) + (-1 if key == "up" else 1)
            self._at = at % places
            if self._at == len(self._choices):
                self._at = -1
        elif key == "enter":
            self.finish(self._choices[self._at] if self._at >= 0 else self._entry.text.strip())
        elif key.isdecimal() and not self._entry.text and 0 < int(key) <= len(self._choices):
            self._at = int(key) - 1
        elif self._entry.press(key):
            self._at = -1

    def paste(self, text: str) -> None:
        self._entry.paste(text)
        self._at = -1


class PanelApprover:
    """Asks in the window; where a question is given up, the answer is no."""

    def __init__(self, show: Show, theme_of: Callable[[], Theme]) -> None:
        self._show = show
        self._theme_of = theme_of

    async def decide(self, request: ApprovalRequest) -> Decision:
        decision: Decision | None = await self._show(ApprovalPanel(request, self._theme_of()))
        return decision or Decision(Answer.NO)

    async def confirm(self, question: str) -> bool:
        return bool(await self._show(ConfirmPanel(question, self._theme_of())))

    async def answer(self, question: str, choices: tuple[str, ...]) -> str | None:
        answer: str | None = await self._show(AnswerPanel(f"The model asks: {question}", choices, self._theme_of()))
        return answer
