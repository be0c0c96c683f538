"""What a person is asked in the window, and the approver that asks it there."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from vtcode.approver import Answer, ApprovalRequest, Decision
from vtcode.text import marked, visible
from vtcode.tui.approval import ApprovalPanel
from vtcode.tui.guard import Guard
from vtcode.tui.panel import Entry, Panel
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut, width_of, wrap

Show = Callable[[Panel[Any]], Awaitable[Any]]
_MOST_QUESTION: Final = 4_000
"""Characters of a question that are shown."""


class ConfirmPanel(Panel[bool]):
    """Yes or no, with no as the default."""

    def __init__(self, question: str, theme: Theme, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._question = question
        self._theme = theme
        self._guard = Guard(clock)
        self._is_yes = False

    def lines(self, width: int, height: int) -> list[str]:
        self._guard.drawn()
        theme = self._theme
        rows = wrap(marked(self._question), width)
        answers = [
            self._answer("[n] No", is_marked=not self._is_yes, width=width),
            self._answer("[y] Yes", is_marked=self._is_yes, width=width),
        ]
        room = max(1, height - len(answers))
        if len(rows) > room:
            rows = [*rows[: room - 1], theme.paint("warn", cut(f"… {len(rows) - room + 1} more lines", width))]
        return [*rows, *answers][:height]

    def _answer(self, words: str, *, is_marked: bool, width: int) -> str:
        return cut(self._theme.paint("selected", f"› {words}") if is_marked else f"  {words}", width)

    def press(self, key: str) -> None:
        if key in ("escape", "c-c", "c-d"):
            self.finish(False)
        elif not self._guard.takes():
            return
        elif key in ("up", "down", "tab", "left", "right"):
            self._is_yes = not self._is_yes
        elif key == "enter":
            self.finish(self._is_yes)
        elif key.lower() in ("y", "n"):
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
        rows = [
            self._choice(f"{number}. {choice}", is_marked=self._at == number - 1, width=width)
            for number, choice in enumerate(self._choices, 1)
        ]
        entry = visible(self._entry.text, one_line=True)
        while width_of(entry) > width - 3:
            entry = entry[1:]
        rows.append(cut(f"{theme.paint('prompt', '›' if self._at < 0 else ' ')} {entry}", width))
        question = wrap(visible(self._question), width)[: max(1, height - len(rows) - 1)]
        keys = "Enter answers · Up and Down choose, or type · Esc gives no answer"
        return [*question, *rows, theme.paint("dim", cut(keys, width))][-height:]

    def cursor(self, width: int, height: int) -> tuple[int, int] | None:
        before = visible(self._entry.text[: self._entry.at], one_line=True)
        row = len(self.lines(width, height)) - 2
        return (row, min(width - 1, 2 + width_of(before))) if row >= 0 and self._at < 0 else None

    def _choice(self, words: str, *, is_marked: bool, width: int) -> str:
        words = visible(words, one_line=True)
        return cut(self._theme.paint("selected", f"› {words}") if is_marked else f"  {words}", width)

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
