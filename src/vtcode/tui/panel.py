"""What takes the keys for a while: a question, a list, a pager. Values in, lines out; the screen is another's."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class Panel(Generic[T]):
    """Stands in the live region instead of the editor until it is done.

    Keys come one by one: a printable character as itself, the others by name: `up`, `down`, `left`, `right`, `home`,
    `end`, `pageup`, `pagedown`, `enter`, `escape`, `tab`, `s-tab`, `backspace`, `delete`, `c-a` to `c-z`.
    """

    def __init__(self) -> None:
        self.is_done = False
        self.result: T | None = None
        """None when it was given up."""
        self.on_change: Callable[[], None] = _nothing
        """Set by the screen. To be called when the panel has changed by itself, and not for a key."""

    def lines(self, width: int, height: int) -> list[str]:
        """Draw it.

        Args:
            width: columns; no line may be wider.
            height: rows; no more lines may be given.

        Returns:
            Lines with SGR sequences of ours and no other escapes; what is from outside is safe to show.
        """
        raise NotImplementedError

    def cursor(self, width: int, height: int) -> tuple[int, int] | None:
        """Tell the row and column of the cursor in these lines; None to hide it."""
        del width, height
        return None

    def press(self, key: str) -> None:
        """Take a key."""
        raise NotImplementedError

    def paste(self, text: str) -> None:
        """Take pasted text; a panel without an entry of its own drops it."""

    def finish(self, result: T | None) -> None:
        """End it, with what came of it."""
        self.result = result
        self.is_done = True
        self.on_change()


def _nothing() -> None:
    return


class Entry:
    """One line of text that is edited in a panel."""

    MOST: Final = 2_000
    """Characters that it takes."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.at = len(text)
        """Where the cursor stands, in characters."""

    def press(self, key: str) -> bool:
        """Take a key; tell whether it was one for editing."""
        match key:
            case "left" | "c-b":
                self.at = max(0, self.at - 1)
            case "right" | "c-f":
                self.at = min(len(self.text), self.at + 1)
            case "home" | "c-a":
                self.at = 0
            case "end" | "c-e":
                self.at = len(self.text)
            case "backspace" | "c-h":
                self._replace(max(0, self.at - 1), self.at, "")
            case "delete":
                self._replace(self.at, self.at + 1, "")
            case "c-u":
                self._replace(0, self.at, "")
            case "c-k":
                self._replace(self.at, len(self.text), "")
            case "c-w":
                self._replace(len(self.text[: self.at].rstrip().rpartition(" ")[0]), self.at, "")
            case _ if len(key) == 1 and key.isprintable():
                self._replace(self.at, self.at, key)
            case _:
                return False
        return True

    def paste(self, text: str) -> None:
        """Take pasted text, as one line."""
        self._replace(self.at, self.at, " ".join(text.split("\n")))

    def _replace(self, start: int, end: int, text: str) -> None:
        text = text[: max(0, self.MOST - len(self.text) + end - start)]
        self.text = self.text[:start] + text + self.text[end:]
        self.at = start + len(text)
