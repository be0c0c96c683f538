"""`vtcode` alone: a conversation, in the window or at the plain prompt."""

import sys
from collections.abc import Coroutine, Mapping

from vtcode.commands.arguments import Invocation
from vtcode.places import state_folder
from vtcode.settings import Settings


def run(invocation: Invocation) -> Coroutine[None, None, int]:
    """Talk with the user."""
    settings = invocation.settings()
    if invocation.options.plain or not _has_screen(invocation.environ):
        return _plain(invocation, settings)
    return _window(invocation, settings)


def _has_screen(environ: Mapping[str, str]) -> bool:
    """Tell whether there is a terminal that a window can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and environ.get("TERM", "dumb") not in ("", "dumb")


def _plain(invocation: Invocation, settings: Settings) -> Coroutine[None, None, int]:
    from vtcode.commands.opening import open_session
    from vtcode.interactive import converse
    from vtcode.sessions.store import Sessions

    secret = settings.api_key or ""
    sessions = Sessions(invocation.environ)
    return converse(
        settings,
        invocation.workspace,
        # Opened here, where a question which one can still be put.
        open_session(invocation, secret),
        lambda: sessions.new(invocation.workspace, secret),
        state_folder(invocation.environ),
        full_auto=invocation.options.full_auto,
        embedded=invocation.options.embedded,
    )


def _window(invocation: Invocation, settings: Settings) -> Coroutine[None, None, int]:
    from vtcode.tui.main import run_window

    return run_window(invocation, settings)
