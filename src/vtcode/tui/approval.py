"""The question whether a call may run, with all that is to be known about it."""

import os
import time
from collections.abc import Callable
from typing import Final

from vtcode.approver import Answer, ApprovalRequest, Decision
from vtcode.places import shown_path
from vtcode.text import marked, visible
from vtcode.tui.diff import render_diff
from vtcode.tui.entryline import entry_line
from vtcode.tui.guard import Guard
from vtcode.tui.panel import Entry, Panel
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut, wrap

_LONG: Final = 400
"""Characters of a text from which its length is told."""
_TELL: Final = "tell"

_Choice = tuple[str, Answer | str, str]
"""The key, the answer, and how it is called."""

_NO: Final[_Choice] = ("n", Answer.NO, "No")
_ONCE: Final[_Choice] = ("y", Answer.ONCE, "Yes, once")
_LASTING: Final[tuple[_Choice, ...]] = (
    ("s", Answer.SESSION, "Yes, exactly this, for this session"),
    ("a", Answer.ALWAYS, "Yes, exactly this, always in this workspace"),
)
_MESSAGE: Final[_Choice] = ("t", _TELL, "No, and tell the model what to do instead")


class ApprovalPanel(Panel[Decision]):
    """Shows exactly what would run; the answer is no until somebody has seen it all and says otherwise."""

    def __init__(self, request: ApprovalRequest, theme: Theme, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._request = request
        self._theme = theme
        self._guard = Guard(clock)
        lasting = _LASTING if request.may_last else ()
        self._choices: tuple[_Choice, ...] = (_NO, _ONCE, *lasting, _MESSAGE)
        self._at = 0
        self._entry: Entry | None = None
        """What the model is told, while it is typed."""
        self._top = 0
        """The first line of the text on the screen."""
        self._page = 1
        self._most = 0
        """The last value that the top can have."""
        self._seen_all = False
        self._warning = self._unusual()
        self._body: tuple[int, list[str]] = (0, [])

    # Drawing -------------------------------------------------------------------------------------------------

    def lines(self, width: int, height: int) -> list[str]:
        self._guard.drawn()
        theme, request = self._theme, self._request
        name = visible(request.call.name, one_line=True)
        head = [cut(f"{theme.paint('warn', '?')} {theme.paint('heading', f'{name} asks to run')}", width)]
        title = len(head)
        if self._warning:
            head += [theme.paint("warn", line) for line in wrap(self._warning, width)]
        facts = wrap(self._facts(), width)
        below = 2 if self._entry is not None else len(self._choices)
        body = self._text(width)
        room = height - len(head) - len(facts) - below
        if room < 3:
            # On a very low screen the text comes first: what is decided about must be seen.
            facts, room = [], height - len(head) - below
        if room < 3:
            head = head[:title]
            room = height - len(head) - below
        room = max(1, room)
        if len(body) <= room:
            shown, self._top, self._most, self._page = body, 0, 0, room
            # A screen too low for the text and the question above it shows less than there is.
            self._seen_all = self._seen_all or len(head) + len(shown) <= height
        else:
            self._page = max(1, room - 1)
            self._most = len(body) - self._page
            self._top = min(self._top, self._most)
            is_shown = len(head) + self._page <= height
            self._seen_all = self._seen_all or (self._top == self._most and is_shown)
            shown = body[self._top : self._top + self._page]
            last = self._top + len(shown)
            where = f"lines {self._top + 1}-{last} of {len(body)} · Space, Up and Down scroll"
            shown = [*shown, theme.paint("warn" if not self._seen_all else "dim", cut(where, width))]
        facts = [theme.paint("dim", line) for line in facts]
        return [*head, *shown, *facts, *self._answers(width)][:height]

    def cursor(self, width: int, height: int) -> tuple[int, int] | None:
        if self._entry is None:
            return None
        row = len(self.lines(width, height)) - 1
        _, column = entry_line(self._entry, max(0, width - 2))
        return row, min(width - 1, 2 + column)

    def _facts(self) -> str:
        request = self._request
        size = len(request.preview.text)
        facts = [request.verdict.rule, f"in {shown_path(self._request.folder, os.environ)}"]
        if request.sandbox:
            facts.append(f"sandbox: {request.sandbox}")
        if size > _LONG:
            facts.append(f"{size:,} characters")
        # Marked as the text is: a rule and a folder are named by others too.
        return visible(marked(" · ".join(facts)), one_line=True)

    def _unusual(self) -> str:
        """Tell what in the text is not what it seems, and how it is shown; empty where nothing is."""
        text = self._request.preview.text
        safe = visible(text)
        kinds = [
            "characters that are not seen" if safe != text else "",
            "letters that look like others" if marked(safe) != safe else "",
        ]
        if not any(kinds):
            return ""
        return f"Beware: it has {' and '.join(kind for kind in kinds if kind)}, written here by their numbers"

    def _text(self, width: int) -> list[str]:
        """Lay out what is decided about, whole: what is cut away could be the harmful part."""
        if self._body[0] == width and self._body[1]:
            return self._body[1]
        preview = self._request.preview
        text = marked(preview.text)
        if preview.kind == "diff":
            rows = render_diff(text, self._theme, width, longest=None)
        else:
            lines = text.expandtabs(4).split("\n")
            digits = len(str(len(lines))) if len(lines) > 1 else 0
            rows = [
                row
                for number, line in enumerate(lines, 1)
                for row in wrap(
                    line, width, " " * (digits + 2), f"{number:>{digits}}  " if digits else "  ", exact=True
                )
            ]
        self._body = (width, rows)
        return rows

    def _answers(self, width: int) -> list[str]:
        theme = self._theme
        if self._entry is not None:
            words, _ = entry_line(self._entry, max(0, width - 2))
            keys = theme.paint("dim", cut("What shall it do instead? Enter sends, Esc goes back", width))
            return [keys, cut(f"{theme.paint('prompt', '›')} {words}", width)]
        rows: list[str] = []
        for at, (key, answer, name) in enumerate(self._choices):
            is_marked = at == self._at
            words = f"{'›' if is_marked else ' '} [{key}] {name}"
            if self._is_locked(answer):
                rows.append(theme.paint("dim", cut(f"{words} (scroll to the end first)", width)))
            else:
                rows.append(cut(theme.paint("selected", words) if is_marked else words, width))
        return rows

    def _is_locked(self, answer: Answer | str) -> bool:
        return not self._seen_all and answer in (Answer.ONCE, Answer.SESSION, Answer.ALWAYS)

    # Keys ----------------------------------------------------------------------------------------------------

    def press(self, key: str) -> None:
        if self._entry is not None:
            self._type(key)
            return
        if key in ("escape", "c-c", "c-d"):
            # A no cannot do harm, so that it is taken at any time.
            self.finish(Decision(Answer.NO))
            return
        if not self._guard.takes():
            return
        match key:
            case "up" | "c-p" if self._top > 0 and not self._seen_all:
                self._scroll(-1)
            case "up" | "c-p":
                self._at = (self._at - 1) % len(self._choices)
            case "down" | "c-n" if self._most and not self._seen_all:
                self._scroll(1)
            case "down" | "c-n" | "tab":
                self._at = (self._at + 1) % len(self._choices)
            case "pageup" | "c-b":
                self._scroll(-self._page)
            case "pagedown" | " " | "c-f":
                self._scroll(self._page)
            case "home":
                self._top = 0
            case "end":
                self._scroll(self._most)
            case "enter":
                self._answer(self._choices[self._at][1])
            case _:
                for letter, answer, _ in self._choices:
                    if key.lower() == letter:
                        self._answer(answer)

    def paste(self, text: str) -> None:
        # What is pasted never answers.
        if self._entry is not None:
            self._entry.paste(text)

    def _scroll(self, by: int) -> None:
        # Whether the end was seen is known when it is drawn: keys can come faster than frames.
        self._top = min(max(0, self._top + by), self._most)

    def _answer(self, answer: Answer | str) -> None:
        if isinstance(answer, Answer):
            if not self._is_locked(answer):
                self.finish(Decision(answer))
        else:
            self._entry = Entry()

    def _type(self, key: str) -> None:
        assert self._entry is not None
        if key in ("escape", "c-c"):
            self._entry = None
        elif key == "enter":
            self.finish(Decision(Answer.NO, self._entry.text.strip()))
        else:
            self._entry.press(key)
