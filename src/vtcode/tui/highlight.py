"""Code in colours, line by line as it comes."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from vtcode.tui.theme import Role, Theme

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_CONTEXT: Final = 60
"""Lines before, from which what a line is in is told, such as a string of many lines."""
_LONGEST: Final = 2_000
"""Characters of a line that is coloured; what is longer was not written by a person."""


class Highlighter:
    """One block of code."""

    def __init__(self, language: str, theme: Theme) -> None:
        """Begin a block in a language, by any of its names; code of an unknown one stays as it is."""
        self._theme = theme
        self._lexer = _lexer(language)
        self._before: list[str] = []

    def lines(self, code: Sequence[str]) -> list[str]:
        """Colour the lines that come next; they are safe to show."""
        drawn = self.preview(code)
        self._before = [*self._before, *code][-_CONTEXT:]
        return drawn

    def preview(self, code: Sequence[str]) -> list[str]:
        """Colour lines that may change."""
        if self._lexer is None or any(len(line) > _LONGEST for line in code):
            return list(code)
        text = "\n".join([*self._before, *code])
        rows: list[list[tuple[Role | None, str]]] = [[]]
        for kind, value in self._lexer.get_tokens(text):
            role = _role(kind)
            for at, part in enumerate(value.split("\n")):
                if at:
                    rows.append([])
                rows[-1].append((role, part))
        start = len(self._before)
        return [self._painted(row) for row in rows[start : start + len(code)]]

    def _painted(self, row: Sequence[tuple[Role | None, str]]) -> str:
        # Pieces of one role are painted as one: where a lexer cuts them hangs on what it saw before.
        painted = ""
        for role, run in groupby(row, _role_of):
            text = "".join(piece for _, piece in run)
            painted += self._theme.paint(role, text) if role else text
        return painted


def _role_of(piece: tuple[Role | None, str]) -> Role | None:
    return piece[0]


def _lexer(language: str) -> "Lexer | None":
    if not language:
        return None
    # Slow to import, and not needed before there is code.
    from pygments import lexers
    from pygments.util import ClassNotFound

    # It has no types.
    untyped: Any = lexers
    try:
        return untyped.get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _role(kind: Any) -> Role | None:
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    roles: tuple[tuple[Any, Role], ...] = (
        (Comment, "comment"),
        (Keyword, "keyword"),
        (Operator.Word, "keyword"),
        (String, "string"),
        (Number, "number"),
        (Name.Function, "name"),
        (Name.Class, "name"),
        (Name.Decorator, "name"),
        (Name.Tag, "name"),
    )
    return next((role for part, role in roles if kind in part), None)
