"""`vtcode` alone: a conversation."""

from collections.abc import Coroutine

from vtcode.commands.arguments import Invocation
from vtcode.interactive import converse
from vtcode.startup import state_folder


def run(invocation: Invocation) -> Coroutine[None, None, int]:
    """Talk with the user."""
    options = invocation.options
    return converse(
        invocation.settings(),
        invocation.workspace,
        state_folder(invocation.environ),
        full_auto=options.full_auto,
        embedded=options.embedded,
    )
