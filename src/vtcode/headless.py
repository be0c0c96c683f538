"""`exec` and `ask`: one turn without a conversation, for terminals and scripts."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

import msgspec

from vtcode import __version__
from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation
from vtcode.events import Event, RunStarted, TurnFinished
from vtcode.messages import Finish
from vtcode.output import check_writable, write_whole
from vtcode.providers import ProviderError
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace


class Exit(IntEnum):
    """Exit statuses, as `vtcode --help` documents them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DENIED = 3
    LIMIT = 4
    INTERRUPTED = 130


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One headless run."""

    task: Callable[[Running], str]
    """What to say, given what the run works with."""
    with_tools: bool
    full_auto: bool = False
    embedded: bool = False
    as_json: bool = False
    quiet: bool = False
    last_message: Path | None = None
    """Where the final answer is written besides."""
    seconds: float | None = None
    """After which the run is stopped."""


async def run_once(settings: Settings, workspace: Workspace, options: RunOptions) -> int:
    """Run one turn and return the exit status.

    Raises:
        UsageError: when the final answer could not be written where it is to go.
    """
    if options.last_message is not None:
        check_writable(options.last_message)
    console = Console(quiet=options.quiet or options.as_json)
    warn(console, settings, full_auto=options.full_auto)
    try:
        async with asyncio.timeout(options.seconds):
            end = await _turn(settings, workspace, options, console)
    except TimeoutError:
        console.fail(f"stopped after {options.seconds:g} seconds, as --timeout says.")
        return Exit.LIMIT
    except ProviderError as error:
        console.fail(str(error))
        return Exit.FAILED
    if end.error:
        console.fail(end.error)
    console.say(summary(end))
    if options.last_message is not None:
        write_whole(options.last_message, end.text)
    return exit_status(end)


async def _turn(settings: Settings, workspace: Workspace, options: RunOptions, console: Console) -> TurnFinished:
    end: TurnFinished | None = None
    async with start(
        settings,
        workspace,
        AskingApprover(console),
        console.say,
        with_tools=options.with_tools,
        full_auto=options.full_auto,
        embedded=options.embedded,
    ) as running:
        console.say(running.summary if options.with_tools else f"{running.model} at {running.address}")
        lines = JsonLines() if options.as_json else None
        if lines is not None:
            sandbox = str(running.sandbox) if options.with_tools else ""
            lines.record(RunStarted(__version__, running.model, running.address, sandbox))
        text = options.task(running)
        async with contextlib.aclosing(running.agent.run_turn(Conversation(recorder=lines), text)) as turn:
            async for event in turn:
                if not options.as_json:
                    console.show(event)
                if isinstance(event, TurnFinished):
                    end = event
    assert end is not None, "a turn that did not raise ends with TurnFinished"
    return end


class JsonLines:
    """Prints each fact as a line of JSON, those of an interrupted turn too."""

    def record(self, event: Event) -> None:
        # ASCII: the same value to a parser, and no control character for a terminal that it may be shown on.
        print(json.dumps(msgspec.to_builtins(event)).replace("\x7f", "\\u007f"), flush=True)


def warn(console: Console, settings: Settings, *, full_auto: bool) -> None:
    """Say what the user should know before a run begins."""
    for warning in settings.warnings:
        console.insist(f"warning: {warning}")
    if full_auto:
        console.insist("full-auto: calls that would be asked for are approved in this run; denied ones stay denied.")


def summary(end: TurnFinished) -> str:
    """Sum up a turn in one line."""
    word = {
        Finish.STOP: "done",
        Finish.LENGTH: "cut at the token limit",
        Finish.LIMIT: "stopped at the step limit",
    }
    parts = [
        f"{word.get(end.finish, 'failed')}: {end.steps} {_plural('step', end.steps)}",
        f"{end.calls} {_plural('call', end.calls)}",
        f"{end.usage.prompt} prompt tokens ({end.usage.cached} cached), {end.usage.generated} generated",
        f"{end.seconds:.1f} s",
    ]
    if end.denied:
        parts.insert(2, f"{len(end.denied)} denied ({', '.join(sorted(set(end.denied)))})")
    return " · ".join(parts)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def exit_status(end: TurnFinished) -> int:
    """Translate the end of a turn into an exit status."""
    if end.finish in {Finish.FAILED, Finish.CANCELLED}:
        return Exit.FAILED
    if end.denied:
        return Exit.DENIED
    if end.finish in {Finish.LIMIT, Finish.LENGTH}:
        return Exit.LIMIT
    return Exit.DONE
