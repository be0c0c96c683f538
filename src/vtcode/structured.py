"""`ask --schema`: an answer that a JSON Schema accepts, or the place where it does not."""

import contextlib

from vtcode import events
from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation
from vtcode.events import TurnFinished
from vtcode.headless import Exit, RunOptions, exit_status, print_json, summary, warn
from vtcode.messages import Finish
from vtcode.providers import ProviderError
from vtcode.schema import Answer, Mismatch, Schema
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace


async def ask_structured(settings: Settings, workspace: Workspace, options: RunOptions, schema: Schema) -> int:
    """Ask, once more if need be, and print the answer only if the schema accepts it. Returns the exit status."""
    console = Console(quiet=options.quiet or options.as_json)
    warn(console, settings, full_auto=options.full_auto)
    try:
        async with start(
            settings,
            workspace,
            AskingApprover(console),
            console.say,
            with_tools=False,
            embedded=options.embedded,
            schema=schema.value,
        ) as running:
            console.say(f"{running.model} at {running.address}")
            return await _ask(running, console, options, schema)
    except ProviderError as error:
        console.fail(str(error))
        return Exit.FAILED


async def _ask(running: Running, console: Console, options: RunOptions, schema: Schema) -> int:
    conversation = Conversation()
    text = options.text
    for is_last in (False, True):
        end = await _turn(running, conversation, text, console, options)
        if end.error:
            console.fail(end.error)
        if end.finish not in {Finish.STOP, Finish.LENGTH}:
            return exit_status(end)
        match schema.judge(end.text):
            case Answer(text=answer):
                if not options.as_json:
                    print(answer, flush=True)
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
    running: Running, conversation: Conversation, text: str, console: Console, options: RunOptions
) -> TurnFinished:
    end: TurnFinished | None = None
    async with contextlib.aclosing(running.agent.run_turn(conversation, text)) as turn:
        async for event in turn:
            if options.as_json:
                print_json(event)
            elif not isinstance(event, events.TextDelta):
                # Nothing of an answer is shown before the whole of it is known to be valid.
                console.show(event)
            if isinstance(event, TurnFinished):
                end = event
    assert end is not None, "a turn that did not raise ends with TurnFinished"
    return end
