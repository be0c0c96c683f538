"""`vtcode` alone: a plain prompt, one turn a line, until Ctrl-D."""

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Final

import msgspec
from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation
from vtcode.events import TurnFinished
from vtcode.headless import Exit, summary, warn
from vtcode.loop import Agent
from vtcode.picker import choices, pick
from vtcode.providers import ProviderError
from vtcode.sessions.session import Session
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace

HELP = (
    "Type a task, or /model (choose another), /new (begin another conversation), /help, /exit. Ctrl-C interrupts a "
    "turn, Ctrl-D ends."
)

_COMMAND: Final = re.compile(r"/\w+")
"""What is meant as one, and no path or task."""


async def converse(
    settings: Settings,
    workspace: Workspace,
    session: Session,
    another: Callable[[], Session],
    state: Path,
    *,
    full_auto: bool,
    embedded: bool,
) -> int:
    """Talk until the user ends it; return the exit status.

    Args:
        session: keeps the conversation; it is closed in the end.
        another: begins a new one.
        state: the folder for the history of what was typed.
    """
    console = Console(ui=settings.ui)
    warn(console, settings, full_auto=full_auto)
    talk = _Talk(session, another, console, state)
    wanted: str | None = settings.default_model
    working: str | None = None
    try:
        while True:
            try:
                async with start(
                    msgspec.structs.replace(settings, default_model=wanted),
                    workspace,
                    AskingApprover(console),
                    console.say,
                    with_tools=True,
                    full_auto=full_auto,
                    embedded=embedded,
                    session=talk.session,
                ) as running:
                    working = running.model
                    chosen = await talk.go_on(running, settings.provider)
            except ProviderError as error:
                console.fail(str(error))
                if working is None or wanted == working:
                    return Exit.FAILED
                # One that was chosen and does not work is no reason to lose the conversation.
                wanted = working
                continue
            if chosen is None:
                return Exit.DONE
            wanted = chosen
    finally:
        talk.session.close()


class _Talk:
    """What is talked about, whichever model answers."""

    def __init__(self, session: Session, another: Callable[[], Session], console: Console, state: Path) -> None:
        self.session = session
        self._another = another
        self._console = console
        self._state = state
        self._conversation: Conversation | None = None

    async def go_on(self, running: Running, provider: str) -> str | None:
        """Take turns with one model; return the id of another that the user wants, or None at the end."""
        self._console.say(running.summary)
        if self._conversation is None:
            self._console.say(HELP)
            self._conversation = _begun(running, self.session, self._console)
        warming = _warm_up(running, self._conversation)
        # Closed on every way out: nothing is read ahead for a conversation that has ended.
        async with contextlib.aclosing(_lines_while(warming, self._state)) as lines:
            async for line in lines:
                match line:
                    case "":
                        pass
                    case "/exit" | "/quit":
                        return None
                    case "/new":
                        self.session.close()
                        self.session = self._another()
                        running = running.within(self.session)
                        self._conversation = _begun(running, self.session, self._console)
                        self._console.say("A new conversation.")
                    case "/model":
                        if chosen := await self._pick(running, provider):
                            return chosen
                    case "/help":
                        self._console.say(HELP)
                    case _ if _COMMAND.fullmatch(line):
                        self._console.fail(f"There is no command {line}. {HELP}")
                    case _:
                        await _turn(running.agent, self._conversation, line, self._console)
        return None

    async def _pick(self, running: Running, provider: str) -> str | None:
        try:
            listed = await running.provider.models()
        except ProviderError as error:
            self._console.fail(str(error))
            listed = []
        offered = choices(provider, listed, running.model)
        for row in offered.rows:
            self._console.say(row)
        session: PromptSession[str] = PromptSession()
        try:
            chosen = await pick(offered, session.prompt_async)
        except (EOFError, KeyboardInterrupt):
            return None
        return chosen if chosen != running.model else None


async def _warm_up(running: Running, conversation: Conversation) -> None:
    if running.warms_up:
        await running.agent.warm_up(conversation)


async def _lines_while(work: Coroutine[None, None, None], state: Path) -> AsyncGenerator[str]:
    """Yield what is typed, and work until there is something."""
    working = asyncio.create_task(work)
    try:
        async for line in _lines(state):
            if not working.done() and line and not line.startswith("/"):
                working.cancel()
                await asyncio.wait({working})
            yield line
    finally:
        working.cancel()
        await asyncio.wait({working})


def _begun(running: Running, session: Session, console: Console) -> Conversation:
    if session.is_resumed:
        console.say(f"Session {session.id}, from the end of its last turn.")
    for sentence in session.take_said():
        console.say(sentence)
    return Conversation(session.facts, session, running.notes, session.turns_before)


async def _lines(state: Path) -> AsyncIterator[str]:
    session: PromptSession[str] = PromptSession(history=_history(state / "history"))
    while True:
        try:
            yield (await session.prompt_async("› ")).strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _history(path: Path) -> History:
    """Keep what was typed for later sessions, where that can be written; a session does without it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.open("ab").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


async def _turn(agent: Agent, conversation: Conversation, text: str, console: Console) -> None:
    """Run one turn; Ctrl-C ends the turn and not the session."""
    turn = asyncio.create_task(_show(agent, conversation, text, console))
    loop = asyncio.get_running_loop()
    is_interrupted = False

    def interrupt() -> None:
        nonlocal is_interrupted
        is_interrupted = True
        turn.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        await turn
    except asyncio.CancelledError:
        # Any other cancel is meant for the whole session.
        if not is_interrupted:
            raise
        console.say("Interrupted.")
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _show(agent: Agent, conversation: Conversation, text: str, console: Console) -> None:
    async with contextlib.aclosing(agent.run_turn(conversation, text)) as events:
        async for event in events:
            console.show(event)
            if isinstance(event, TurnFinished):
                if event.error:
                    console.fail(event.error)
                console.say(summary(event))
