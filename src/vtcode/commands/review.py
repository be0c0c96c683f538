"""`vtcode review`."""

import argparse
from collections.abc import Coroutine
from typing import Final

import msgspec

from vtcode.approval import Policies, Policy
from vtcode.commands.arguments import Invocation, describe
from vtcode.commands.opening import open_session
from vtcode.commands.run import add_no_session, add_output, run_options
from vtcode.headless import run_once
from vtcode.review import collect, task

_EXAMPLES = """  vtcode review                      what is not committed yet
  vtcode review main...HEAD          what this branch adds to main
  vtcode review HEAD~1 -o review.md  the last commit and what came after it"""

_READING: Final = Policies(
    Policy.DENY,
    dict.fromkeys(("read_file", "list_files", "grep_file", "update_plan"), Policy.ALLOW),
    {"default_policy": "vtcode review"},
)
"""A review reads. The model is offered the same tools as ever, so that the server's cached prompt serves it too."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `review`."""
    describe(parser, "Review changes: those that are not committed, or a range of revisions.", _EXAMPLES)
    parser.add_argument("revisions", nargs="?", metavar="RANGE", help="revisions as `git diff` takes them")
    add_output(parser)
    add_no_session(parser)
    parser.set_defaults(command=_review, max_turns=None)


def _review(invocation: Invocation) -> Coroutine[None, None, int]:
    settings = msgspec.structs.replace(invocation.settings(), policies=_READING)

    session = None if invocation.options.no_session else open_session(invocation, settings.api_key or "")

    async def review() -> int:
        changes = await collect(invocation.root, invocation.options.revisions)
        if not changes.files:
            print("There are no changes to review.")
            return 0
        options = run_options(
            invocation.options, lambda running: task(changes, running.context_length), with_tools=True
        )
        options = msgspec.structs.replace(options, full_auto=False, session=session)
        return await run_once(settings, invocation.workspace, options)

    return review()
