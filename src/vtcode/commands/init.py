"""`vtcode init`: a commented vtcode.toml and a draft of AGENTS.md, where there are none yet."""

import argparse
import os
import sys

from vtcode.commands.arguments import Invocation, describe
from vtcode.init import agents_text, config_text
from vtcode.output import UsageError
from vtcode.replacing import Replacement
from vtcode.text import visible
from vtcode.workspace import Workspace, WorkspaceError

_EXAMPLES = """  vtcode init
  vtcode init --force"""

_NOTES = """The draft of AGENTS.md names the languages, commands and folders that the repository shows. No model
is asked. Read it before you keep it."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `init`."""
    describe(parser, "Write a commented vtcode.toml and a draft of AGENTS.md.", _EXAMPLES, _NOTES)
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.set_defaults(command=_init)


def _init(invocation: Invocation) -> int:
    root = invocation.root
    texts = {"vtcode.toml": config_text(), "AGENTS.md": agents_text(root)}
    there = () if invocation.options.force else tuple(name for name in texts if os.path.lexists(root / name))
    if len(there) == len(texts):
        raise UsageError(f"{' and '.join(there)} are there already. Nothing was written; --force replaces them.")
    wanted = [name for name in texts if name not in there]
    try:
        # Both or none, each in one step.
        Workspace(root).replace_files([Replacement(root / name, texts[name].encode()) for name in wanted])
    except WorkspaceError as error:
        raise UsageError(str(error)) from error
    for name in wanted:
        print(visible(f"Wrote {root / name}."), file=sys.stderr)
    for name in there:
        print(visible(f"Kept {root / name}; --force replaces it."), file=sys.stderr)
    return 0
