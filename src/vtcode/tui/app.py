"""`vtcode` alone, at a terminal: puts the window and the conversation together."""

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from vtcode import __version__
from vtcode.approval import FULL_AUTO
from vtcode.messages import Message
from vtcode.places import shown_path
from vtcode.settings import Settings
from vtcode.tui.background import QUERY, Background
from vtcode.tui.history import History
from vtcode.tui.menu import Menu
from vtcode.tui.narrator import Narrator
from vtcode.tui.panel import Panel
from vtcode.tui.progress import Progress
from vtcode.tui.screen import Resizing
from vtcode.tui.status import StatusFacts
from vtcode.tui.theme import THEMES, Theme, choose, guess_is_dark
from vtcode.tui.transcript import Transcript
from vtcode.tui.window import Window
from vtcode.workspace import Workspace

if TYPE_CHECKING:
    # Slow to import, and of no use before the first frame is drawn.
    from vtcode.sessions.session import Session
    from vtcode.sessions.store import Found
    from vtcode.startup import Running
    from vtcode.tui.completion import Item
    from vtcode.tui.talk import Talk

T = TypeVar("T")


class App:
    """One window of the program: a `Desk` for commands, and a `Doer` for keys."""

    def __init__(
        self,
        settings: Settings,
        workspace: Workspace,
        environ: Mapping[str, str],
        state: Path,
        theme: Theme,
        flags: Sequence[str],
        source: Input,
        output: Output,
    ) -> None:
        """Lay it out.

        Args:
            state: the folder for what the program keeps for itself.
            theme: to begin with.
            flags: of the command line, for commands that are run beside this one.
            source: the keyboard.
            output: the screen.
        """
        self.workspace = workspace
        self.environ = environ
        self.theme = theme
        self.flags = flags
        self.kept: str | None = None
        """By which id the conversation can be gone on with, once it has ended; None when nothing was said."""
        self.history = History(state / "history")
        self._settings = settings
        self._talk: Talk | None = None
        self._welcomes = False
        self._is_there = asyncio.Event()
        """Set once there is a conversation."""
        self._waiting: list[str] = []
        """What was said before there was a conversation."""
        self._to_tell: list[str] = []
        """What the model is told with what the person says next."""
        self._aside: asyncio.Task[None] | None = None
        """A command of the person's that runs."""
        self._jobs: set[asyncio.Task[None]] = set()
        progress = Progress()
        self.window = Window(
            theme,
            Transcript(theme, max(20, output.get_size().columns), show_reasoning=settings.ui.show_reasoning),
            progress,
            self.history,
            Menu(workspace, self._commands),
            self,
            source,
            output,
            Resizing.of(environ),
            vi=settings.ui.editing_mode == "vi",
        )
        self._narrator = Narrator(self.window, progress, workspace, environ, settings.ui, self._settled)

    async def run(
        self, open_session: "Callable[[], Session]", *, full_auto: bool, embedded: bool, welcomes: bool = False
    ) -> int:
        """Show it until the person ends it; return the exit status.

        Args:
            open_session: gives what keeps the conversation; called when the window is on the screen.
            full_auto: policies of `prompt` let calls run.
            embedded: start the embedded server without looking for another.
            welcomes: take the person through the first steps.
        """
        self._welcomes = welcomes
        for warning in self._settings.warnings:
            self.say(f"warning: {warning}")
        if full_auto:
            self.say(FULL_AUTO)
        folder = shown_path(self.workspace.root, self.environ)
        self.say(f"vtcode {__version__} in {folder} · /help for commands, Ctrl-D to end")
        showing = asyncio.create_task(self.window.run())
        talking: asyncio.Task[None] | None = None
        try:
            await self.window.drawn()
            self._ask_for_background()
            talking = asyncio.create_task(self._converse(open_session, full_auto=full_auto, embedded=embedded))
            await asyncio.wait({showing, talking}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                talking.result()
            return 0
        finally:
            if self._talk is not None and self._talk.session.is_kept:
                self.kept = self._talk.session.id
            for task in (talking, self._aside, *self._jobs):
                if task is not None:
                    task.cancel()
                    await asyncio.wait({task})
            self.window.leave()
            await asyncio.wait({showing})
            if not showing.cancelled():
                showing.result()

    def _ask_for_background(self) -> None:
        """Have colours fit the background, where the terminal tells it and the person has named no theme."""
        parser = getattr(self.window.application.input, "vt100_parser", None)
        if self._settings.ui.theme != "auto" or self.theme.depth not in ("256", "full") or parser is None:
            return
        if guess_is_dark(self.environ) is not None:
            return

        def found(reply: str) -> None:
            self.use_theme(choose("auto", self.theme.depth, guess_is_dark({}, reply)))

        Background(found).listen(parser)
        self.window.raw(QUERY)

    async def _converse(self, open_session: "Callable[[], Session]", *, full_auto: bool, embedded: bool) -> None:
        # In a thread, so that keys are answered meanwhile.
        await asyncio.to_thread(_import_conversation)
        from vtcode.tui.questions import PanelApprover
        from vtcode.tui.talk import Options, Talk

        approver = PanelApprover(self.window.show, lambda: self.theme)
        options = Options(full_auto=full_auto, embedded=embedded)
        self._talk = Talk(self._settings, self.workspace, open_session(), approver, self._narrator, options)
        for text in self._waiting:
            self._talk.submit(text)
        self._waiting.clear()
        self._is_there.set()
        warming = asyncio.create_task(asyncio.to_thread(_warm_up))
        try:
            await self._talk.run()
        finally:
            await asyncio.wait({warming})

    # What the narrator wants ----------------------------------------------------------------------------------

    def _settled(self) -> None:
        """Welcome who runs it for the first time, once it is known what there is to go on with."""
        if self._welcomes:
            from vtcode.tui.welcome import welcome

            self._welcomes = False
            self._do(welcome(self))

    # What keys have done --------------------------------------------------------------------------------------

    def enter(self, text: str) -> None:
        line = text.strip()
        if line.startswith("/"):
            from vtcode.tui.commands import is_command

            if is_command(line, self):
                self._do(self._command(line))
                return
        if line.startswith("!") and len(line) > 1:
            self._run_aside(line[1:].strip())
        elif line.startswith("#") and len(line) > 1 and "\n" not in line:
            self._jot(line.lstrip("# "))
        else:
            self.submit(text.strip("\n"))

    def _commands(self) -> "Sequence[Item]":
        from vtcode.tui.commands import items

        return items(self)

    async def _command(self, line: str) -> None:
        from vtcode.tui.commands import dispatch

        await self._is_there.wait()
        await dispatch(self, line)

    def _do(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(job))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _guarded(self, job: Coroutine[Any, Any, None]) -> None:
        """Have a command that fails be told, and not end the program."""
        try:
            await job
        except (OSError, ValueError) as error:
            self.fail(f"That did not work: {error}")

    def _run_aside(self, line: str) -> None:
        if self._aside is not None:
            self.fail("A command runs already: Esc ends it.")
            return
        self._aside = asyncio.create_task(self._shell(line))
        self.window.refresh()

    async def _shell(self, line: str) -> None:
        from vtcode.sandbox import Level, examine
        from vtcode.tui.shell import run_shell

        try:
            self.window.write(self.window.transcript.user(f"! {line}"))
            running = self.running
            is_off = self.settings.sandbox.mode == "off"
            level = Level.NONE if is_off else running.sandbox if running else (await _found(examine, self.environ))
            ran = await run_shell(line, self.workspace.root, level, self.settings.sandbox, self._print)
            self.say(f"{ran.ending} · the model is told with what you say next")
            self._to_tell.append(ran.for_model())
        except asyncio.CancelledError:
            self.say("Interrupted.")
            raise
        finally:
            self._aside = None
            self.window.refresh()

    def _print(self, text: str) -> None:
        self.window.write(self.window.transcript.note(text))

    def _jot(self, text: str) -> None:
        from vtcode.tui.jotting import NotNoted, note

        try:
            note(self.workspace, text)
        except NotNoted as error:
            self.fail(str(error))
        else:
            self.say("Noted in AGENTS.md; it holds from the next conversation on (/new).")

    def interrupt(self) -> bool:
        if self._aside is not None:
            self._aside.cancel()
            return True
        return self._talk is not None and self._talk.interrupt()

    def take_back(self) -> str | None:
        return self._talk.take_back() if self._talk is not None else None

    def leave(self) -> None:
        self.window.leave()

    def go_back(self) -> None:
        self._do(self._command("/rewind"))

    def search(self) -> None:
        self._do(self._search())

    async def _search(self) -> None:
        from vtcode.tui.chooser import Chooser, Row

        rows = [Row(text, text) for text in self.history.search("")]
        chosen = await self.window.show(Chooser("What was typed before", rows, self.theme))
        if chosen is not None:
            self.window.editor.fill(chosen)

    def is_busy(self) -> bool:
        talk = self._talk
        return self._aside is not None or talk is None or talk.is_working or talk.is_connecting

    def queued(self) -> Sequence[str]:
        return tuple(self._talk.queue) if self._talk is not None else tuple(self._waiting)

    def facts(self) -> StatusFacts:
        running = self.running
        network = self.settings.sandbox.network
        return StatusFacts(
            model=running.model if running else "",
            context_used=self._narrator.context_used,
            context_size=running.context_length if running else None,
            tokens_per_second=self._narrator.tokens_per_second,
            sandbox=str(running.sandbox) if running else "",
            network=network if isinstance(network, str) else f"{len(network)} hosts",
            branch=self._narrator.branch,
            queued=len(self.queued()),
            is_connecting=self._talk is None or self._talk.is_connecting,
        )

    # What commands may do -------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self._talk.settings if self._talk is not None else self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        if self._talk is not None:
            self._talk.settings = settings

    @property
    def session(self) -> "Session":
        assert self._talk is not None, "commands come when there is a conversation"
        return self._talk.session

    @property
    def running(self) -> "Running | None":
        return self._talk.running if self._talk is not None else None

    @property
    def is_working(self) -> bool:
        return self._talk is not None and self._talk.is_working

    @property
    def context_used(self) -> int:
        return self._narrator.context_used

    def width(self) -> int:
        return self.window.width()

    def say(self, text: str) -> None:
        self._narrator.say(text)

    def fail(self, text: str) -> None:
        self._narrator.fail(text)

    def write(self, lines: Sequence[str]) -> None:
        self.window.write(lines)

    async def show(self, panel: Panel[T]) -> T | None:
        return await self.window.show(panel)

    async def page(self, title: str, text: str) -> None:
        await self.window.page(title, text)

    def fill(self, text: str) -> None:
        self.window.editor.fill(text)

    def submit(self, text: str) -> None:
        text = "\n\n".join([*self._to_tell, text])
        self._to_tell.clear()
        if self._talk is None:
            self._waiting.append(text)
            self.window.refresh()
        else:
            self._talk.submit(text)

    async def use_model(self, model: str, effort: str | None = None, *, embedded: bool = False) -> bool:
        assert self._talk is not None
        wanted = msgspec.structs.replace(self.settings, default_model=model)
        if effort is not None:
            wanted = msgspec.structs.replace(wanted, reasoning_effort=effort)
        return await self._talk.use(wanted, embedded=embedded)

    def rest(self) -> None:
        assert self._talk is not None
        self._talk.rest()

    async def use_session(self, found: "Found | None") -> None:
        from vtcode.sessions.store import Sessions

        assert self._talk is not None
        self._talk.rest()
        sessions, secret = Sessions(self.environ), self.settings.api_key or ""
        session = (
            sessions.new(self.workspace, secret) if found is None else sessions.resume(found, self.workspace, secret)
        )
        self._narrator.context_used = 0
        self._talk.use_session(session)

    async def reload(self) -> None:
        from vtcode.sessions.store import Sessions

        assert self._talk is not None
        # Closed first, since a log has one writer.
        self._talk.session.close()
        await self.use_session(Sessions(self.environ).named(self._talk.session.id))

    async def compact(self, *, by_model: bool) -> None:
        assert self._talk is not None
        await self._talk.compact(by_model=by_model)

    def clear(self) -> None:
        self.window.clear()

    def raw(self, sequence: str) -> None:
        self.window.raw(sequence)

    def messages(self) -> Sequence[Message]:
        return self._talk.conversation.messages if self._talk is not None else ()

    def use_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.window.use_theme(theme)

    def exit(self) -> None:
        self.leave()


def _import_conversation() -> None:
    for name in ("vtcode.tui.questions", "vtcode.tui.talk", "vtcode.sessions.store"):
        importlib.import_module(name)


def _warm_up() -> None:
    """Import what draws the first answer while the model is waited for."""
    from vtcode.tui.blocks import render_block

    render_block("```python\npass\n```", THEMES[0], 10)


async def _found(examine: Callable[[Mapping[str, str]], Any], environ: Mapping[str, str]) -> Any:
    return (await asyncio.to_thread(examine, environ)).level
