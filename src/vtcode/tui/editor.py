"""What the person types: many lines, undo, history, long pastes as placeholders; and how it is drawn."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import History
from prompt_toolkit.utils import get_cwidth

PROMPT: Final = "› "
_GOES_ON: Final = "  "
_LONG_LINES: Final = 8
_LONG_CHARACTERS: Final = 1_500
"""From which on a paste is shown as a placeholder."""
_TAB: Final = "    "

_PLACEHOLDER: Final = re.compile(r"\[pasted [0-9,]+ (?:lines|characters) #\d+\]")


class Drawn(msgspec.Struct, frozen=True):
    """The part of the text that is on the screen."""

    rows: list[str]
    cursor: tuple[int, int]
    hidden_above: int = 0
    """Lines of the text that are not on the screen."""
    hidden_below: int = 0


class Editor:
    """Holds the text; keys change it through its buffer."""

    def __init__(self, history: History, on_change: Callable[[], None]) -> None:
        self.buffer = Buffer(multiline=True, history=history, on_text_changed=lambda _: on_change())
        self._pasted: dict[str, str] = {}

    @property
    def text(self) -> str:
        """As it stands, with placeholders."""
        return self.buffer.text

    def take(self) -> str:
        """Give what was typed and pasted, keep it in the history, and be empty again."""
        text = _PLACEHOLDER.sub(lambda match: self._pasted.get(match.group(), match.group()), self.buffer.text)
        if text.strip():
            self.buffer.history.append_string(text)
        self.buffer.reset()
        # Undone, a placeholder may come back: what it stands for is kept until the next text is taken.
        return text

    def fill(self, text: str) -> None:
        """Put text in, in the place of what is there."""
        self.buffer.document = Document("", 0)
        self.paste(text)

    def paste(self, text: str) -> None:
        """Put text in at the cursor; much of it as a placeholder."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.count("\n") + 1
        if lines > _LONG_LINES or len(text) > _LONG_CHARACTERS:
            size = f"{lines:,} lines" if lines > 1 else f"{len(text):,} characters"
            name = f"[pasted {size} #{len(self._pasted) + 1}]"
            self._pasted[name] = text
            text = name
        self.buffer.save_to_undo_stack()
        self.buffer.insert_text(text)

    def remove_placeholder(self) -> bool:
        """Remove the placeholder that ends at the cursor, as one character; tell whether there was one."""
        before = self.buffer.document.current_line_before_cursor
        name = next((name for name in self._pasted if before.endswith(name)), None)
        if name is not None:
            self.buffer.save_to_undo_stack()
            self.buffer.delete_before_cursor(len(name))
        return name is not None

    def draw(self, width: int, most: int, mark: Callable[[str], str], select: Callable[[str], str]) -> Drawn:
        """Draw the rows around the cursor.

        Args:
            width: columns.
            most: rows.
            mark: paints the prompt's sign.
            select: paints what is selected.
        """
        document = self.buffer.document
        room = max(1, width - len(PROMPT) - 1)
        line, column = document.cursor_position_row, document.cursor_position_col
        selected = _selected(document)
        lines = document.lines
        rows, at = _wrapped(lines[line], room, selected.get(line), select, column)
        row, cell = at
        first = last = line
        # Only what can be seen is laid out, however long the text is.
        while len(rows) < most and (first > 0 or last < len(lines) - 1):
            if last < len(lines) - 1:
                last += 1
                rows += _wrapped(lines[last], room, selected.get(last), select)[0]
            if first > 0 and len(rows) < most:
                first -= 1
                above = _wrapped(lines[first], room, selected.get(first), select)[0]
                rows = above + rows
                row += len(above)
        start = min(max(0, row - most + 1), max(0, len(rows) - most)) if row >= most else 0
        shown = rows[start : start + most]
        sign = [mark(PROMPT) if first == 0 and start == 0 else _GOES_ON, *[_GOES_ON] * (len(shown) - 1)]
        return Drawn(
            [one + text for one, text in zip(sign, shown, strict=True)],
            (row - start, len(PROMPT) + cell),
            first,
            len(lines) - 1 - last,
        )


def _selected(document: Document) -> dict[int, tuple[int, int]]:
    """Tell which columns of which lines are selected."""
    found: dict[int, tuple[int, int]] = {}
    for start, end in document.selection_ranges() if document.selection else ():
        (first, left), (last, right) = (
            document.translate_index_to_position(start),
            document.translate_index_to_position(end),
        )
        for line in range(first, last + 1):
            found[line] = (left if line == first else 0, right + 1 if line == last else 1 << 30)
    return found


def _wrapped(
    line: str, room: int, selected: tuple[int, int] | None, select: Callable[[str], str], column: int = 0
) -> tuple[list[str], tuple[int, int]]:
    """Lay a line out in rows; tell the row and cell of a column of it."""
    if line.isascii() and line.isprintable() and selected is None:
        rows = [line[at : at + room] for at in range(0, len(line), room)] or [""]
        row, cell = divmod(column, room)
        if row == len(rows):
            rows.append("")
        return rows, (row, cell)
    rows, used, place = [""], 0, (0, 0)
    for at, text in enumerate(_cells(line)):
        width = get_cwidth(text)
        if used + width > room:
            rows.append("")
            used = 0
        if at == column:
            place = (len(rows) - 1, used)
        rows[-1] += select(text) if selected and selected[0] <= at < selected[1] else text
        used += width
    if column >= len(line):
        if used >= room:
            rows.append("")
            used = 0
        place = (len(rows) - 1, used)
    return rows, place


def _cells(line: str) -> Iterator[str]:
    """Say what is drawn for each character: nothing may steer the terminal or upset its columns."""
    for character in line:
        if character == "\t":
            yield _TAB
        elif character.isprintable():
            yield character
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            yield f"\\u{{{ord(character):x}}}"
        else:
            yield " "
