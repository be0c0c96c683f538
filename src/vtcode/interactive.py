"""`vtcode` alone: a plain prompt, one turn a line, until Ctrl-D."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory

from vtcode.config import Settings
from vtcode.console import AskingApprover, Console
from vtcode.events import TurnFinished
from vtcode.headless import Exit, summary, warn
from vtcode.loop import Agent, Conversation
from vtcode.providers import ProviderError
from vtcode.startup import Running, start
from vtcode.workspace import Workspace

HELP = "Type a task, or /help, /new (forget the conversation), /exit. Ctrl-C interrupts a turn, Ctrl-D ends."


async def converse(
    settings: Settings,
    workspace: Workspace,
    state: Path,
    *,
    first: str | None,
    full_auto: bool,
    embedded: bool,
) -> int:
    """Talk until the user ends it; return the exit status.

    Args:
        state: the folder for the history of what was typed.
        first: a task to begin with.
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
        ) as running:
            console.say(running.summary)
            console.say(HELP)
            await _turns(running, console, state, first)
    except ProviderError as error:
        console.fail(str(error))
        return Exit.FAILED
    return Exit.DONE


async def _turns(running: Running, console: Console, state: Path, first: str | None) -> None:
    conversation = Conversation()
    async for line in _lines(state, first):
        match line:
            case "":
                pass
            case "/exit" | "/quit":
                return
            case "/new":
                conversation = Conversation()
                console.say("A new conversation.")
            case "/help":
                console.say(HELP)
            case _:
                await _turn(running.agent, conversation, line, console)


async def _lines(state: Path, first: str | None) -> AsyncIterator[str]:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    session: PromptSession[str] = PromptSession(history=FileHistory(str(state / "history")))
    if first:
        yield first
    while True:
        try:
            yield (await session.prompt_async("› ")).strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


async def _turn(agent: Agent, conversation: Conversation, text: str, console: Console) -> None:
    """Run one turn; Ctrl-C ends the turn and not the session."""
    turn = asyncio.create_task(_show(agent, conversation, text, console))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, turn.cancel)
    try:
        await turn
    except asyncio.CancelledError:
        if not turn.cancelled():
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
