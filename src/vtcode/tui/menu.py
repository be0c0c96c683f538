"""The menu below the editor: commands after `/`, files after `@`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from vtcode.tui.completion import Item, Names, complete
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut
from vtcode.workspace import Workspace

_FRESH: Final = 5.0
"""Seconds for which a list of files is good."""


class Menu:
    """Offers what fits the word at the cursor."""

    def __init__(self, workspace: Workspace, commands: Callable[[], Sequence[Item]]) -> None:
        """Begin.

        Args:
            workspace: whose files can be mentioned.
            commands: lists those that there are; called when one is typed.
        """
        self.on_change: Callable[[], None] = _nothing
        self._commands = commands
        self._workspace = workspace
        self._files = Names(())
        self._listed = float("-inf")
        self._listing: asyncio.Task[None] | None = None
        self._items: tuple[Item, ...] = ()
        self._start = 0
        """Where the word begins that an item is put in the place of."""
        self._at = 0
        self._document = Document()

    @property
    def is_open(self) -> bool:
        return bool(self._items)

    def look(self, document: Document) -> None:
        """Offer what fits the text; nothing, where that is neither a command nor a mention."""
        self._document = document
        before = document.text_before_cursor
        if len(before) > 2_000 or not (before.startswith("/") or "@" in document.current_line_before_cursor):
            self.close()
            return
        if "@" in before and time.monotonic() - self._listed > _FRESH and self._listing is None:
            self._listing = asyncio.create_task(self._list())
        self._offer()

    def _offer(self) -> None:
        found = complete(self._document.text_before_cursor, self._files, self._commands)
        self._items, self._start, self._at = found.items, found.start, 0
        self.on_change()

    async def _list(self) -> None:
        # Here, since searching brings the tools with it.
        from vtcode.tools.search import workspace_files

        try:
            self._files = Names(await workspace_files(self._workspace, most=50_000))
            self._listed = time.monotonic()
        finally:
            self._listing = None
        if "@" in self._document.current_line_before_cursor:
            self._offer()

    def move(self, by: int) -> None:
        """Go to another item."""
        self._at = (self._at + by) % len(self._items)
        self.on_change()

    def accept(self, buffer: Buffer) -> bool:
        """Put the item in; tell whether the text is a command that can be sent now."""
        item = self._items[self._at]
        before = buffer.document.text_before_cursor
        is_whole = before[self._start :] == item.text
        buffer.delete_before_cursor(len(before) - self._start)
        buffer.insert_text(item.text + ("" if item.goes_on else " "))
        self.close()
        return is_whole or (before.startswith("/") and not item.takes_arguments)

    def close(self) -> None:
        """Offer nothing."""
        if self._items:
            self._items = ()
            self.on_change()

    def lines(self, width: int, theme: Theme) -> list[str]:
        """Draw it, the chosen item marked by more than a colour."""
        return [
            cut(
                theme.paint(
                    "selected" if at == self._at else "dim", f"{'›' if at == self._at else ' '} {item.display}"
                )
                + theme.paint("dim", f"  {item.meta}" if item.meta else ""),
                width,
            )
            for at, item in enumerate(self._items)
        ]


def _nothing() -> None:
    return
