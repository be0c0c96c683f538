"""`!`: a command line of the person's own, run as the model's are."""

import codecs
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from vtcode.sandbox import Level, launch
from vtcode.sandbox.limits import Exceeded
from vtcode.settings import SandboxSettings
from vtcode.tools.process import run_launched

_FOREVER: Final = 10.0**9
_MOST_TOLD: Final = 2_000
"""Characters of what it printed that the model is told."""


class Ran(msgspec.Struct, frozen=True):
    """How it ended."""

    line: str
    ending: str
    """`exit 0`, or why there is no status."""
    tail: str
    """The end of what it printed."""

    def for_model(self) -> str:
        """Say it to the model, with what the person says next."""
        return f"I ran `{self.line}` ({self.ending}):\n```\n{self.tail}\n```"


async def run_shell(
    line: str, root: Path, level: Level, settings: SandboxSettings, show: Callable[[str], None]
) -> Ran:
    """Run a line for bash in the workspace; cancelling ends it and what it started.

    Args:
        show: told what it prints, by whole lines as they come.
    """
    tail = open_line = ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(chunk: bytes) -> None:
        nonlocal tail, open_line
        text = decoder.decode(chunk)
        tail = (tail + text)[-_MOST_TOLD:]
        lines, newline, open_line = (open_line + text).rpartition("\n")
        if newline:
            show(lines)
        if len(open_line) > _MOST_TOLD:
            show(open_line)
            open_line = ""

    try:
        started = launch(line, root, level, os.environ, network=settings.network == "on")
        code = await run_launched(started, root, _FOREVER, take, take)
        ending = f"exit {code}" if code >= 0 else f"ended by signal {-code}"
    except Exceeded as excess:
        ending = f"stopped, for it used {excess}"
    except (OSError, ValueError) as error:
        ending = f"not started: {error}"
    if open_line:
        show(open_line)
    return Ran(line, ending, tail.strip("\n"))
