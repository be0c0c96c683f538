"""`vtcode` alone: a plain prompt, one turn a line, until Ctrl-D."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation
from vtcode.events import TurnFinished
from vtcode.headless import Exit, summary, warn
from vtcode.loop import Agent
from vtcode.providers import ProviderError
from vtcode.sessions.session import Session
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace

HELP = "Type a task, or /help, /new (begin another conversation), /exit. Ctrl-C interrupts a turn, Ctrl-D ends."


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
    console = Console()
    warn(console, settings, full_auto=full_auto)
    try:
        async with start(
            settings,
            workspace,
            AskingApprover(console),
            console.say,
            with_tools=True,
            full_auto=full_auto,
            embedded=embedded,
            session=session,
        ) as running:
            console.say(running.summary)
            console.say(HELP)
            await _turns(running, session, another, console, state)
    except ProviderError as error:
        console.fail(str(error))
        return Exit.FAILED
    finally:
        session.close()
    return Exit.DONE


async def _turns(
    running: Running, session: Session, another: Callable[[], Session], console: Console, state: Path
) -> None:
    conversation = _begun(running, session, console)
    async for line in _lines_while(_warm_up(running, conversation), state):
        match line:
            case "":
                pass
            case "/exit" | "/quit":
                return
            case "/new":
                session.close()
                session = another()
                running = running.within(session)
                conversation = _begun(running, session, console)
                console.say("A new conversation.")
            case "/help":
                console.say(HELP)
            case _:
                await _turn(running.agent, conversation, line, console)


async def _warm_up(running: Running, conversation: Conversation) -> None:
    if running.warms_up:
        await running.agent.warm_up(conversation)


async def _lines_while(work: Coroutine[None, None, None], state: Path) -> AsyncIterator[str]:
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
    if session.pinned is not None:
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
