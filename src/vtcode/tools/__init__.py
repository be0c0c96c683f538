"""The Tool protocol and the tool set."""

from typing import Final

from vtcode.tools.ask import AskUser
from vtcode.tools.files import EditFile, ReadFile, WriteFile
from vtcode.tools.patch import ApplyPatch
from vtcode.tools.plan import UpdatePlan
from vtcode.tools.search import GrepFile, ListFiles
from vtcode.tools.shell import CommandOutput, RunTerminalCmd
from vtcode.tools.tool import BadArguments, Outcome, Preview, Tool, ToolContext, parse_arguments

__all__ = ["TOOLS", "BadArguments", "Outcome", "Preview", "Tool", "ToolContext", "parse_arguments"]

TOOLS: Final[tuple[Tool, ...]] = (
    ReadFile(),
    ListFiles(),
    GrepFile(),
    EditFile(),
    ApplyPatch(),
    WriteFile(),
    RunTerminalCmd(),
    CommandOutput(),
    UpdatePlan(),
    AskUser(),
)
"""In the order in which a model is shown them."""
