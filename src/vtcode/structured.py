"""`ask --schema`: an answer that a JSON Schema accepts, or the place where it does not."""

import asyncio
import contextlib

from vtcode import __version__, events
from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation
from vtcode.events import RunStarted, TurnFinished
from vtcode.headless import Exit, JsonLines, RunOptions, exit_status, summary, warn
from vtcode.messages import Finish
from vtcode.output import check_writable, write_whole
from vtcode.providers import ProviderError
from vtcode.schema import Answer, Mismatch, Schema
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace


async def ask_structured(settings: Settings, workspace: Workspace, options: RunOptions, schema: Schema) -> int:
    """Ask, once more if need be, and print the answer only if the schema accepts it. Returns the exit status.

    Raises:
        UsageError: when the answer could not be written where it is to go.
        ConfigError: when the schema refers to what is not in it.
    """
    if options.last_message is not None:
        check_writable(options.last_message)
    console = Console(quiet=options.quiet or options.as_json)
    warn(console, settings, full_auto=options.full_auto)
    try:
        async with (
            asyncio.timeout(options.seconds),
            start(
                settings,
                workspace,
                AskingApprover(console),
                console.say,
                with_tools=False,
                embedded=options.embedded,
                schema=schema.value,
            ) as running,
        ):
            console.say(f"{running.model} at {running.address}")
            return await _ask(running, console, options, schema)
    except TimeoutError:
        console.fail(f"stopped after {options.seconds:g} seconds, as --timeout says.")
        return Exit.LIMIT
    except ProviderError as error:
        console.fail(str(error))
        return Exit.FAILED


async def _ask(running: Running, console: Console, options: RunOptions, schema: Schema) -> int:
    lines = JsonLines() if options.as_json else None
    if lines is not None:
        lines.record(RunStarted(__version__, running.model, running.address))
    conversation = Conversation(recorder=lines)
    text = options.task(running)
    for is_last in (False, True):
        end = await _turn(running, conversation, text, console, draws=lines is None)
        if end.error:
            console.fail(end.error)
        if end.finish not in {Finish.STOP, Finish.LENGTH}:
            return exit_status(end)
        match schema.judge(end.text):
            case Answer(text=answer):
                if lines is None:
                    print(answer, flush=True)
                if options.last_message is not None:
                    write_whole(options.last_message, answer)
                console.say(summary(end))
                return Exit.DONE
            case Mismatch() as mismatch:
                cut = " It was cut at its token limit." if end.finish is Finish.LENGTH else ""
                if is_last:
                    console.fail(f"The answer does not follow the schema, {mismatch}.{cut} Nothing was printed.")
                    return Exit.FAILED
                console.say(f"The answer does not follow the schema, {mismatch}.{cut} Asking once more.")
                text = (
                    f"Your reply does not follow the JSON schema, {mismatch}. Reply again with corrected JSON only, "
                    "without any other text."
                )
    raise AssertionError("the last answer is printed or refused")


async def _turn(
    running: Running, conversation: Conversation, text: str, console: Console, *, draws: bool
) -> TurnFinished:
    end: TurnFinished | None = None
    async with contextlib.aclosing(running.agent.run_turn(conversation, text)) as turn:
        async for event in turn:
            # Nothing of an answer is shown before the whole of it is known to be valid.
            if draws and not isinstance(event, events.TextDelta):
                console.show(event)
            if isinstance(event, TurnFinished):
                end = event
    assert end is not None, "a turn that did not raise ends with TurnFinished"
    return end
