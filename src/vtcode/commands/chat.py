"""`vtcode` alone: a conversation."""

from collections.abc import Coroutine

from vtcode.commands.arguments import Invocation
from vtcode.commands.opening import open_session
from vtcode.interactive import converse
from vtcode.places import state_folder
from vtcode.sessions.store import Sessions


def run(invocation: Invocation) -> Coroutine[None, None, int]:
    """Talk with the user."""
    options = invocation.options
    settings = invocation.settings()
    secret = settings.api_key or ""
    sessions = Sessions(invocation.environ)
    return converse(
        settings,
        invocation.workspace,
        # Opened here, where a question which one can still be put.
        open_session(invocation, secret),
        lambda: sessions.new(invocation.workspace, secret),
        state_folder(invocation.environ),
        full_auto=options.full_auto,
        embedded=options.embedded,
    )
