"""`exec` and `ask`: one turn without a conversation, for terminals and scripts."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vtcode import __version__
from vtcode.approval import FULL_AUTO
from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation, Recorder
from vtcode.events import Event, RunStarted, TextDelta, TurnFinished
from vtcode.messages import Finish
from vtcode.output import check_writable, write_whole
from vtcode.providers import ProviderError
from vtcode.sessions.session import Session
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace

if TYPE_CHECKING:
    from vtcode.schema import Schema


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
    schema: "Schema | None" = None
    """What the answer must follow."""
    session: Session | None = None
    """Keeps the run, and is closed in the end; None to keep nothing."""


async def run_once(settings: Settings, workspace: Workspace, options: RunOptions) -> int:
    """Run one turn and return the exit status.

    Raises:
        UsageError: when the final answer could not be written where it is to go.
    """
    if options.last_message is not None:
        check_writable(options.last_message)
    console = Console(quiet=options.quiet or options.as_json, ui=settings.ui)
    warn(console, settings, full_auto=options.full_auto)
    try:
        async with asyncio.timeout(options.seconds):
            end = await _work(settings, workspace, options, console)
    except TimeoutError:
        console.fail(f"stopped after {options.seconds:g} seconds, as --timeout says.")
        return Exit.LIMIT
    except ProviderError as error:
        console.fail(str(error))
        return Exit.FAILED
    finally:
        if options.session is not None:
            options.session.close()
    if end.error:
        console.fail(end.error)
    console.say(summary(end))
    if options.last_message is not None:
        write_whole(options.last_message, end.text)
    return exit_status(end)


async def _work(settings: Settings, workspace: Workspace, options: RunOptions, console: Console) -> TurnFinished:
    session = options.session
    async with start(
        settings,
        workspace,
        AskingApprover(console),
        console.say,
        with_tools=options.with_tools,
        full_auto=options.full_auto,
        embedded=options.embedded,
        schema=options.schema.value if options.schema else None,
        session=session,
    ) as running:
        console.say(running.summary if options.with_tools else f"{running.model} at {running.address}")
        if session is not None:
            session.begin()
            if session.is_resumed:
                console.say(f"Session {session.id}, from the end of its last turn.")
        lines = JsonLines() if options.as_json else None
        if lines is not None:
            sandbox = str(running.sandbox) if options.with_tools else ""
            kept = session.id if session is not None and session.is_kept else ""
            lines.record(RunStarted(__version__, running.model, running.address, sandbox, kept))
        conversation = Conversation(
            session.facts if session is not None else (),
            _Recorders([recorder for recorder in (session, lines) if recorder is not None]),
            running.notes,
            session.turns_before if session is not None else 0,
        )

        async def turn(text: str) -> TurnFinished:
            return await _turn(running, conversation, text, None if options.as_json else console, options.schema)

        if options.schema is None:
            return await turn(options.task(running))
        # For those who ask for it, as the validator is.
        from vtcode.structured import ask_structured

        end = await ask_structured(turn, options.task(running), options.schema, console)
        if not end.error and not options.as_json:
            print(end.text, flush=True)
        return end


async def _turn(
    running: Running, conversation: Conversation, text: str, console: Console | None, schema: "Schema | None"
) -> TurnFinished:
    end: TurnFinished | None = None
    async with contextlib.aclosing(running.agent.run_turn(conversation, text)) as turn:
        async for event in turn:
            # Nothing of a structured answer is shown before the whole of it is known to be valid.
            if console is not None and not (schema and isinstance(event, TextDelta)):
                console.show(event)
            if isinstance(event, TurnFinished):
                end = event
    assert end is not None, "a turn that did not raise ends with TurnFinished"
    return end


class _Recorders:
    """Tells several recorders, in order."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders

    def record(self, event: Event) -> str | None:
        said = [recorder.record(event) for recorder in self._recorders]
        return " ".join(filter(None, said)) or None


class JsonLines:
    """Prints each fact as a line of JSON, those of an interrupted turn too."""

    def record(self, event: Event) -> str | None:
        # ASCII: the same value to a parser, and no control character for a terminal that it may be shown on.
        print(json.dumps(msgspec.to_builtins(event)).replace("\x7f", "\\u007f"), flush=True)


def warn(console: Console, settings: Settings, *, full_auto: bool) -> None:
    """Say what the user should know before a run begins."""
    for warning in settings.warnings:
        console.insist(f"warning: {warning}")
    if full_auto:
        console.insist(FULL_AUTO)


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
