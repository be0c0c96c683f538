"""`vtcode init`: a commented vtcode.toml and a draft of AGENTS.md, where there are none yet."""

import argparse
import os
import sys

from vtcode.commands.arguments import Invocation, describe
from vtcode.init import agents_text, config_text
from vtcode.output import UsageError
from vtcode.text import visible
from vtcode.workspace import Workspace, WorkspaceError

_EXAMPLES = """  vtcode init
  vtcode init --force"""

_NOTES = """The draft of AGENTS.md names the languages, the commands and the folders that the repository shows. No model is
asked. Read it before you keep it."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `init`."""
    describe(parser, "Write a commented vtcode.toml and a draft of AGENTS.md.", _EXAMPLES, _NOTES)
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.set_defaults(command=_init)


def _init(invocation: Invocation) -> int:
    root = invocation.root
    texts = {"vtcode.toml": config_text(), "AGENTS.md": agents_text(root)}
    there = [name for name in texts if os.path.lexists(root / name)]
    if there and not invocation.options.force:
        verb = "are" if len(there) > 1 else "is"
        raise UsageError(f"{' and '.join(there)} {verb} there already. Nothing was written; --force replaces it.")
    workspace = Workspace(root)
    try:
        # Both or none, each in one step.
        workspace.replace(_replacements(workspace, texts))
    except WorkspaceError as error:
        raise UsageError(str(error)) from error
    for name in texts:
        print(visible(f"Wrote {root / name}."), file=sys.stderr)
    return 0
