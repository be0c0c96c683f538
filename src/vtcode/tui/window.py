"""The window: what the live region shows, and what the keys do there."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from prompt_toolkit.application import Application
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.layout import BufferControl, Layout
from prompt_toolkit.layout import Window as Pane
from prompt_toolkit.output import Output

from vtcode.text import visible
from vtcode.tui.editor import Editor
from vtcode.tui.keys import bindings
from vtcode.tui.menu import Menu
from vtcode.tui.panel import Panel
from vtcode.tui.progress import Progress
from vtcode.tui.screen import Frame, Resizing, Screen
from vtcode.tui.status import StatusFacts, status_line
from vtcode.tui.theme import Theme
from vtcode.tui.transcript import Transcript
from vtcode.tui.wrap import cut

T = TypeVar("T")

_AGAIN: Final = 1.5
"""Seconds in which a second Ctrl-C or Esc belongs to the first."""
_MOST_TYPED: Final = 12
"""Rows of the editor."""
_MOST_QUEUED: Final = 3
_LOW: Final = 12
"""Rows up to which a screen has none to spare."""
_TICK: Final = 0.125
"""Seconds between two looks of what says that something goes on."""


class Doer(Protocol):
    """What the keys have done that is not about the window itself."""

    def enter(self, text: str) -> None:
        """Take what was typed and sent."""
        ...

    def interrupt(self) -> bool:
        """End what goes on; tell whether there was something."""
        ...

    def take_back(self) -> str | None:
        """Give back the newest text that waits."""
        ...

    def leave(self) -> None:
        """End the program."""
        ...

    def go_back(self) -> None:
        """Offer earlier turns to go back to."""
        ...

    def search(self) -> None:
        """Offer what was typed before."""
        ...

    def is_busy(self) -> bool: ...
    def queued(self) -> Sequence[str]: ...
    def facts(self) -> StatusFacts: ...


class Window:
    """The live region of one terminal, and the scrollback above it."""

    def __init__(
        self,
        theme: Theme,
        transcript: Transcript,
        progress: Progress,
        history: History,
        menu: Menu,
        doer: Doer,
        source: Input,
        output: Output,
        resizing: Resizing,
        *,
        vi: bool = False,
    ) -> None:
        """Lay it out; `run` shows it."""
        self.theme = theme
        self.transcript = transcript
        self._progress = progress
        self._doer = doer
        self._menu = menu
        self._panel: Panel[Any] | None = None
        self._panels = asyncio.Lock()
        self._width = 0
        self._hint = ""
        """Says what a second press of the key would do; shown instead of the status for a short time."""
        self._hinted = 0.0
        self._escaped = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._paging: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self.editor = Editor(history, self._typed)
        self._screen = Screen(output, self._compose, resizing)
        self.application: Application[None] = Application(
            layout=Layout(Pane(BufferControl(self.editor.buffer))),
            key_bindings=bindings(self),
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            include_default_pygments_style=False,
            terminal_size_polling_interval=None,
            input=source,
            output=output,
        )
        self.application.renderer = self._screen
        # An Esc is one as soon as nothing has followed it; over a slow line that may take this long.
        self.application.ttimeoutlen = 0.05
        self.application.timeoutlen = 0.15
        # Keys are answered with the next frame at once.
        self.application.max_render_postpone_time = None
        self.application.after_render += self._drew
        menu.on_change = self.refresh

    async def drawn(self) -> None:
        """Wait until the first frame is on the screen."""
        await self._first.wait()

    def _drew(self, _: object) -> None:
        self._first.set()

    def use_theme(self, theme: Theme) -> None:
        """Draw everything from now on in a theme."""
        self.theme = theme
        self.transcript.use_theme(theme)
        self.refresh()

    async def run(self) -> None:
        """Show it until the program ends."""
        await self.application.run_async(pre_run=self.editor.buffer.load_history_if_not_yet_loaded)

    # What is shown -----------------------------------------------------------------------------------------

    def width(self) -> int:
        return self._screen.output.get_size().columns

    def write(self, lines: Sequence[str]) -> None:
        """Have lines go to the scrollback."""
        if lines:
            self._screen.commit(lines)
        self.refresh()

    def refresh(self) -> None:
        """Have what changed by itself be seen, soon."""
        if self.application.is_running:
            self._screen.request(self.application)
            if self._doer.is_busy() and self._ticking is None:
                self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while self._doer.is_busy():
            self._screen.request(self.application)
            await asyncio.sleep(_TICK)
        self._ticking = None
        self._screen.request(self.application)

    def raw(self, sequence: str) -> None:
        """Tell the terminal something that is not to be seen, such as that a turn has ended."""
        if sequence:
            self._screen.send(sequence)

    def hint(self, text: str) -> None:
        """Say something for a moment."""
        self._hint, self._hinted = text, time.monotonic()
        asyncio.get_running_loop().call_later(_AGAIN, self.refresh)
        self.refresh()

    def _compose(self, width: int, height: int) -> Frame:
        if width != self._width:
            self._width = width
            self.transcript.resize(width)
        status = [self._status(width)]
        if (panel := self._panel) is not None:
            # A line of air above it, where there is room.
            air = [""] if height > _LOW else []
            room = max(1, height - 1 - len(air))
            lines = panel.lines(width, room)[:room]
            cursor = panel.cursor(width, room)
            moved = (cursor[0] + len(air), cursor[1]) if cursor is not None else None
            return Frame([*air, *lines, *status][:height], moved)
        typed = self.editor.draw(
            width,
            min(_MOST_TYPED, max(1, height - 2)),
            lambda text: self.theme.paint("prompt", text),
            lambda text: f"\x1b[7m{text}\x1b[27m",
        )
        menu = self._menu.lines(width, self.theme)
        below = [*typed.rows, *menu, *status]
        above = [*self.transcript.live(), *self._going_on(width)]
        room = max(0, height - len(below) - 1)
        above = above[len(above) - room :] if room else []
        # A line of air between what is said and what is typed.
        lines = [*above, "", *below]
        row, column = typed.cursor
        return Frame(lines[:height], (min(len(above) + 1 + row, height - 1), min(column, width - 1)))

    def _going_on(self, width: int) -> list[str]:
        """Say what is awaited, and what waits."""
        lines: list[str] = []
        if self._doer.is_busy():
            lines.append(cut(self.theme.paint("spinner", self._progress.text(time.monotonic())), width))
        queued = list(self._doer.queued())
        lines += [self._queued(text, width) for text in queued[:_MOST_QUEUED]]
        if len(queued) > _MOST_QUEUED:
            lines.append(self.theme.paint("dim", f"  and {len(queued) - _MOST_QUEUED} more"))
        return lines

    def _queued(self, text: str, width: int) -> str:
        return self.theme.paint("dim", cut(f"  next: {visible(text, one_line=True)}", width))

    def _status(self, width: int) -> str:
        if self._hint and time.monotonic() - self._hinted < _AGAIN:
            return self.theme.paint("dim", cut(self._hint, width))
        line = status_line(self._doer.facts(), width, self.theme)
        if self.application.editing_mode is EditingMode.VI:
            mode = "insert" if self.application.vi_state.input_mode is InputMode.INSERT else "normal"
            line = cut(f"{self.theme.paint('dim', mode)} {line}", width)
        return line

    # Panels ------------------------------------------------------------------------------------------------

    async def show(self, panel: Panel[T]) -> T | None:
        """Have a panel answered; others wait until it is."""
        async with self._panels:
            done = asyncio.Event()

            def changed() -> None:
                if panel.is_done:
                    done.set()
                self.refresh()

            panel.on_change = changed
            self._panel = panel
            self.refresh()
            try:
                if not panel.is_done:
                    await done.wait()
                return panel.result
            finally:
                self._panel = None
                self.refresh()

    # Keys --------------------------------------------------------------------------------------------------

    def has_panel(self) -> bool:
        return self._panel is not None

    def has_menu(self) -> bool:
        return self._menu.is_open

    def is_empty(self) -> bool:
        return not self.editor.text

    def press(self, key: str) -> None:
        if self._panel is not None and not self._panel.is_done:
            self._panel.press(key)

    def paste(self, text: str) -> None:
        if self._panel is not None:
            self._panel.paste(text)
        else:
            self.editor.paste(text)

    def enter(self) -> None:
        if self._menu.is_open and not self._menu.accept(self.editor.buffer):
            return
        before = self.editor.buffer.document.current_line_before_cursor
        if before.endswith("\\") and self.editor.buffer.document.is_cursor_at_the_end_of_line:
            self.editor.buffer.delete_before_cursor()
            self.editor.buffer.insert_text("\n")
            return
        text = self.editor.take()
        self._menu.close()
        if text.strip():
            self._doer.enter(text)

    def newline(self) -> None:
        self.editor.buffer.insert_text("\n")

    def escape(self) -> None:
        now = time.monotonic()
        if self._menu.is_open:
            self._menu.close()
        elif self._doer.interrupt():
            pass
        elif self.is_empty() and now - self._escaped < _AGAIN:
            self._escaped = 0.0
            self._doer.go_back()
            return
        elif self.is_empty():
            self.hint("Esc again goes back to an earlier turn")
        self._escaped = now

    def interrupt(self) -> None:
        now = time.monotonic()
        was_hinted = self._hint.startswith("Ctrl-C") and now - self._hinted < _AGAIN
        if was_hinted:
            self._doer.leave()
            return
        if self.editor.text:
            # Up brings it back.
            self.editor.take()
        else:
            self._doer.interrupt()
        self.hint("Ctrl-C again ends vtcode")

    def end(self) -> None:
        self._doer.leave()

    def up(self) -> None:
        if self._menu.is_open:
            self._menu.move(-1)
        elif self.is_empty() and (text := self._doer.take_back()) is not None:
            self.editor.fill(text)
        else:
            self.editor.buffer.auto_up()

    def down(self) -> None:
        if self._menu.is_open:
            self._menu.move(1)
        else:
            self.editor.buffer.auto_down()

    def complete(self) -> None:
        if self._menu.is_open:
            self._menu.accept(self.editor.buffer)
        else:
            self._menu.look(self.editor.buffer.document)

    def search(self) -> None:
        self._doer.search()

    def open_folded(self) -> None:
        if (folded := self.transcript.folded()) is None:
            self.hint("Nothing is folded")
            return
        self._paging = asyncio.create_task(self.page(folded.title, folded.text))

    async def page(self, title: str, text: str) -> None:
        """Show a long text in the pager, or where there is none, in the scrollback."""
        from prompt_toolkit.application import in_terminal
        from prompt_toolkit.application.current import set_app

        from vtcode.tui.pager import show_paged

        # Said here, since this may not run in a task of the application's.
        with set_app(self.application):
            async with in_terminal():
                await asyncio.to_thread(show_paged, title, text)

    def edit_outside(self) -> None:
        self.editor.buffer.open_in_editor()

    def clear(self) -> None:
        self._screen.clear()
        self.application.invalidate()

    def put_aside(self) -> None:
        self.application.suspend_to_background()

    def rub_out(self) -> None:
        buffer = self.editor.buffer
        if buffer.selection_state is not None:
            buffer.cut_selection()
        elif not self.editor.remove_placeholder():
            buffer.delete_before_cursor()

    def _typed(self) -> None:
        self._menu.look(self.editor.buffer.document)

    def leave(self) -> None:
        """Take the window off the terminal."""
        with contextlib.suppress(Exception):
            self.application.exit()
