"""Markdown as it streams in: a block is drawn for good once nothing can change it any more.

Lines of code go line by line, items of a list one by one, all else block by block. What is still open is drawn anew
each time it is looked at, and it is bounded.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from vtcode.text import visible
from vtcode.tui.blocks import render_block
from vtcode.tui.highlight import Highlighter
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import wrap

_MOST_OPEN: Final = 20_000
"""Characters of one block; a longer one is drawn in parts."""
_MOST_DRAWN: Final = 6_000
"""Characters of an open block that are drawn as Markdown; of a longer one the end is shown as it stands."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})\s*([^`]*)$")
_HEADING: Final = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_ITEM: Final = re.compile(r"( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)")
_DELIMITERS: Final = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_NESTED_FENCE: Final = re.compile(r"\s*(?:`{3,}|~{3,})")


class Markdown:
    """One answer."""

    def __init__(self, theme: Theme, width: int) -> None:
        self.theme = theme
        self.width = width
        self._partial = ""
        """The line that is not whole yet, as it came."""
        self._block: list[str] = []
        """Lines of the open block; made safe, as all after."""
        self._kind: Literal["paragraph", "list", "table"] = "paragraph"
        self._content = 0
        """Columns that what belongs to the open item is indented by, at least."""
        self._in_nested = False
        """Whether a fence is open in the item."""
        self._fence = ""
        """What ends the block of code that is open; empty when none is."""
        self._code: Highlighter | None = None
        self._is_first = True
        self._has_gap = False
        """Whether a blank line came since the last block."""
        self._drawn: tuple[str, int, list[str]] = ("", 0, [])

    def feed(self, text: str) -> list[str]:
        """Take a piece; give the lines that are done."""
        *whole, self._partial = (self._partial + text).split("\n")
        done: list[str] = []
        code: list[str] = []
        for raw in whole:
            line = visible(raw.removesuffix("\r"))
            if self._fence and not self._closes(line):
                code.append(line)
                continue
            done += self._coloured(code)
            code = []
            done += self._take(line)
        done += self._coloured(code)
        if len(self._partial) > _MOST_OPEN:
            done += self._take(visible(self._partial))
            self._partial = ""
        return done

    def finish(self) -> list[str]:
        """Give what is left: nothing more comes."""
        done = self._take(visible(self._partial)) if self._partial else []
        self._partial = ""
        if self._fence:
            self._fence, self._code = "", None
            done.append(self.theme.paint("dim", "╰"))
        return done + self._flush()

    def live(self) -> list[str]:
        """Draw what is open, cut to the width."""
        partial = visible(self._partial)
        if self._code is not None:
            return wrap(self._code.preview([partial])[0], self.width) if partial else []
        source = "\n".join([*self._block, partial] if partial else self._block)
        if not source.strip():
            return []
        if self._drawn[:2] != (source, self.width):
            if len(source) > _MOST_DRAWN:
                lines = wrap(source[-_MOST_DRAWN:], self.width)
            else:
                lines = render_block(source, self.theme, self.width)
            self._drawn = (source, self.width, lines)
        return [""] * (self._has_gap and not self._is_first) + self._drawn[2]

    # Blocks ------------------------------------------------------------------------------------------------

    def _take(self, line: str) -> list[str]:
        if self._fence:
            if self._closes(line):
                self._fence, self._code = "", None
                return [self.theme.paint("dim", "╰")]
            return self._coloured([line])
        if not line.strip():
            if self._kind == "list" and self._block:
                self._block.append("")
                return []
            done = self._flush()
            self._has_gap = True
            return done
        done: list[str] = []
        if self._block and self._kind == "list":
            if self._belongs(line):
                self._block.append(line)
                return self._flush() if self._size() > _MOST_OPEN else []
            done += self._flush()
        if match := _FENCE.match(line):
            return done + self._open_fence(match)
        if _HEADING.match(line):
            done += self._flush()
            self._has_gap = True
            self._block = [line]
            return done + self._flush()
        if match := _ITEM.match(line):
            done += self._flush()
            self._kind, self._content, self._in_nested = "list", len(match[1]) + len(match[2]) + 1, False
        elif self._kind == "table" and "|" not in line:
            done += self._flush()
        elif self._kind == "paragraph" and len(self._block) == 1 and "|" in line and _DELIMITERS.fullmatch(line):
            self._kind = "table"
        self._block.append(line)
        return done + self._flush() if self._size() > _MOST_OPEN else done

    def _belongs(self, line: str) -> bool:
        """Whether a line goes on with the item that is open."""
        if _NESTED_FENCE.match(line) and len(line) - len(line.lstrip()) >= 2:
            self._in_nested = not self._in_nested
            return True
        indent = len(line) - len(line.lstrip(" "))
        if self._in_nested or indent >= self._content:
            return True
        if _ITEM.match(line):
            # Nested, where it is indented at all; a sibling else.
            return indent >= 2
        return bool(self._block[-1]) and not (_FENCE.match(line) or _HEADING.match(line))

    def _size(self) -> int:
        return sum(map(len, self._block))

    def _flush(self) -> list[str]:
        """Draw the open block for good."""
        had_gap = False
        while self._block and not self._block[-1]:
            self._block.pop()
            had_gap = True
        if not self._block:
            return []
        lines = render_block("\n".join(self._block), self.theme, self.width)
        self._block, self._kind = [], "paragraph"
        return self._spaced(lines, had_gap)

    def _spaced(self, lines: Sequence[str], has_gap: bool = False) -> list[str]:
        spaced = [""] * (self._has_gap and not self._is_first) + list(lines)
        self._has_gap, self._is_first = has_gap, False
        return spaced

    # Code --------------------------------------------------------------------------------------------------

    def _open_fence(self, match: "re.Match[str]") -> list[str]:
        done = self._flush()
        language = match[2].split(" ")[0].strip()
        self._fence, self._code = match[1], Highlighter(language, self.theme)
        return done + self._spaced([self.theme.paint("dim", f"╭ {language[:40]}".rstrip())])

    def _closes(self, line: str) -> bool:
        stripped = line.strip()
        return (
            len(stripped) >= len(self._fence)
            and not stripped.strip(self._fence[0])
            and len(line) - len(line.lstrip()) < 4
        )

    def _coloured(self, code: Sequence[str]) -> list[str]:
        """Draw lines of code, unbroken: the terminal wraps them, so that they can be copied."""
        return self._code.lines([line.expandtabs(4) for line in code]) if code and self._code is not None else []
