"""Runs command lines in the workspace, boxed where the machine can do it."""

import os
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vtcode.sandbox import Launch, Level, detect, launch
from vtcode.sandbox.limits import Exceeded
from vtcode.tools.background import MOST_RUNNING
from vtcode.tools.background import MOST_SECONDS as MOST_BACKGROUND_SECONDS
from vtcode.tools.files import failed
from vtcode.tools.output import Captured
from vtcode.tools.planted import cleared
from vtcode.tools.process import run_launched
from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext

DEFAULT_SECONDS: Final = 60
MOST_SECONDS: Final = 600
MOST_BYTES: Final = 100_000
"""Of a command line: Linux takes 128 KiB in one argument."""

_REASONS: Final = {
    Level.NONE: "no sandbox works here, so that the command would have all your rights",
    Level.LANDLOCK: "only a weak sandbox (Landlock) works here, in which the command can change .git and read the "
    "secrets of the workspace",
}
_REMEDY: Final = "install bubblewrap, or let the policies alone decide with --sandbox any"


class RunArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command: str
    timeout: Annotated[int, Meta(description="seconds")] | None = None
    background: bool | None = None


class OutputArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: int
    stop: bool | None = None


class RunTerminalCmd(Parameters):
    """Runs a bash command line; what it prints is shown from both ends."""

    name = "run_terminal_cmd"
    description = "Run a bash command in the workspace"
    arguments: type[msgspec.Struct] = RunArguments
    effect: Effect = "runs"

    def sensitive(self, args: RunArguments, context: ToolContext) -> str | None:
        level = level_of(context)
        if context.sandbox.mode != "auto" or level.is_whole:
            return None
        return f"{_REASONS[level]}; {_REMEDY}"

    def preview(self, args: RunArguments, context: ToolContext) -> Preview:
        return Preview("command", args.command)

    async def run(self, args: RunArguments, context: ToolContext) -> Outcome:
        if not args.command.strip():
            return failed("The command is empty.")
        if len(args.command.encode("utf-8", "replace")) > MOST_BYTES:
            return failed(
                f"The command is too long ({len(args.command):,} characters; the system takes {MOST_BYTES:,} bytes). "
                "Write a script with write_file, and run that."
            )
        level = level_of(context)
        if not level.is_whole and context.sandbox.mode == "required":
            return failed(
                f'The command was not run: {_REASONS[level]}, and [sandbox] mode = "required". The user has to '
                "install bubblewrap, or change the mode."
            )
        try:
            started = launch(args.command, context.workspace.root, level, network=context.sandbox.network == "on")
            if args.background:
                return await _begin(started, args, context)
            return await _finish(started, args, context)
        except (OSError, ValueError) as error:
            return failed(f"The command could not be started: {error}.")


class CommandOutput(Parameters):
    """Looks at a command that runs in the background, or stops it."""

    name = "command_output"
    description = "New output of a background command"
    arguments: type[msgspec.Struct] = OutputArguments
    effect: Effect = "watches"

    def sensitive(self, args: OutputArguments, context: ToolContext) -> str | None:
        return None

    def preview(self, args: OutputArguments, context: ToolContext) -> Preview:
        return Preview("text", f"{'stop' if args.stop else 'look at'} background command {args.id}")

    async def run(self, args: OutputArguments, context: ToolContext) -> Outcome:
        background = context.background
        job = await background.look(args.id, stop=bool(args.stop)) if background is not None else None
        if background is None or job is None:
            known = ", ".join(map(str, background.numbers)) if background is not None else ""
            return failed(
                f"There is no background command {args.id}. "
                + (f"There are: {known}." if known else "None was started; run_terminal_cmd with background does.")
            )
        text = job.look()
        return Outcome(job.ok, text, f"background command {job.number}: {text.partition(chr(10))[0]}")


def level_of(context: ToolContext) -> Level:
    """Return how the commands of a run are boxed."""
    if context.sandbox.mode == "off":
        return Level.NONE
    return context.level or detect(os.environ)


async def _finish(started: Launch, args: RunArguments, context: ToolContext) -> Outcome:
    """Run to the end, or to the time limit."""
    seconds = min(max(args.timeout or DEFAULT_SECONDS, 1), MOST_SECONDS)
    output = Captured(context.output_limit, context.spool, context.on_output)
    is_ok = False
    with cleared(context.workspace.root, context.aside) as planted:
        try:
            code = await run_launched(started, context.workspace.root, seconds, output.feed)
            head, is_ok = f"exit code {code if code >= 0 else 128 - code}", code == 0
        except TimeoutError:
            head = f"timed out after {seconds} s and was stopped"
        except Exceeded as excess:
            head = f"used {excess} and was stopped"
        finally:
            output.close()
    if planted.sentence:
        return Outcome(False, output.under(f"{head}. {planted.sentence}"), f"{head}. {planted.sentence}")
    return Outcome(is_ok, output.under(head), head)


async def _begin(started: Launch, args: RunArguments, context: ToolContext) -> Outcome:
    """Leave it running, and tell how it began."""
    if context.background is None:
        return failed("Commands cannot run in the background here. Run it without background.")
    seconds = min(max(args.timeout, 1), MOST_BACKGROUND_SECONDS) if args.timeout else MOST_BACKGROUND_SECONDS
    job = await context.background.start(
        started, context.workspace.root, seconds, context.spool, context.output_limit, context.aside
    )
    if job is None:
        return failed(f"{MOST_RUNNING} commands run in the background already. Stop one with command_output first.")
    text = f"background command {job.number}: {job.look()}"
    return Outcome(job.ok, text, text.partition("\n")[0])
