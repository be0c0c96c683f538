"""Runs a command line in the workspace, boxed where the machine can do it."""

import codecs
import os
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vtcode.sandbox import detect, launch
from vtcode.tools.files import failed
from vtcode.tools.process import run_process
from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext

DEFAULT_SECONDS: Final = 60
MOST_SECONDS: Final = 600

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


class RunArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command: str
    timeout: Annotated[int, Meta(description="seconds")] | None = None


class RunTerminalCmd(Parameters):
    """Runs a bash command line; what it prints is shown from both ends."""

    name = "run_terminal_cmd"
    description = "Run a bash command in the workspace"
    arguments: type[msgspec.Struct] = RunArguments
    effect: Effect = "runs"

    def sensitive(self, args: RunArguments, context: ToolContext) -> str | None:
        return None

    def preview(self, args: RunArguments, context: ToolContext) -> Preview:
        return Preview("command", args.command)

    async def run(self, args: RunArguments, context: ToolContext) -> Outcome:
        if not args.command.strip():
            return failed("The command is empty.")
        root = context.workspace.root
        seconds = min(max(args.timeout or DEFAULT_SECONDS, 1), MOST_SECONDS)
        output = _Output(context)
        try:
            started = launch(args.command, root, context.level or detect(os.environ))
            code = await run_process(started.argv, env=started.env, cwd=root, seconds=seconds, on_output=output.feed)
        except TimeoutError:
            head = f"timed out after {seconds} s and was stopped"
            return Outcome(False, output.under(head), head)
        except (OSError, ValueError) as error:
            return failed(f"The command could not be started: {error}.")
        head = f"exit code {code if code >= 0 else 128 - code}"
        return Outcome(code == 0, output.under(head), head)


class _Output:
    """What a command prints: passed on as it comes, and its two ends kept for the model."""

    def __init__(self, context: ToolContext) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._on_output = context.on_output
        self._ends = Ends(context.output_limit)

    def feed(self, chunk: bytes) -> None:
        text = self._decoder.decode(chunk)
        self._ends.add(text)
        if self._on_output is not None and text:
            self._on_output(text)

    def under(self, head: str) -> str:
        """Return the output beneath a first line."""
        text = _plain(self._ends.text()).strip("\n")
        return f"{head}\n{text}" if text else f"{head}, no output"


class Ends:
    """The beginning and the end of a text of any length, in memory of at most `limit` characters or so."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // 2
        self._tail_limit = limit - self._head_limit
        self._head = ""
        self._tail = ""
        self._total = 0

    def add(self, text: str) -> None:
        """Add a piece."""
        self._total += len(text)
        room = self._head_limit - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-self._tail_limit :] if self._tail_limit else ""

    def text(self) -> str:
        """Return all of it, or both ends, cut between lines where they have any, with a line about the rest."""
        if self._total <= self._head_limit + self._tail_limit:
            return self._head + self._tail
        head = self._head[: max(self._head.rfind("\n"), 0)] or self._head
        tail = self._tail[self._tail.find("\n") + 1 :] or self._tail
        left_out = self._total - len(head) - len(tail)
        return f"{head}\n[{left_out:,} characters left out]\n{tail}"


def _plain(text: str) -> str:
    """Drop colours, and of lines that were written over (progress bars) all but their last state."""
    lines = _ESCAPES.sub("", text).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
