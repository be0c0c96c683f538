"""From the command line to a window on this terminal, and off it again."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prompt_toolkit.input import create_input
from prompt_toolkit.output import create_output

from vtcode.commands.arguments import Invocation
from vtcode.places import state_folder
from vtcode.settings import Settings
from vtcode.tui import theme
from vtcode.tui.app import App
from vtcode.tui.welcome import is_due

if TYPE_CHECKING:
    from vtcode.sessions.session import Session


async def run_window(invocation: Invocation, settings: Settings) -> int:
    """Show the window until the person ends it; return the exit status. Raises SessionError."""
    environ, options = invocation.environ, invocation.options
    depth = theme.depth_of(environ, settings.ui.color)
    session = _asked_for(invocation, settings)
    app = App(
        settings,
        invocation.workspace,
        environ,
        state_folder(environ),
        theme.choose(settings.ui.theme, depth, theme.guess_is_dark(environ)),
        _flags(invocation),
        create_input(),
        create_output(),
    )

    def open_session() -> "Session":
        from vtcode.sessions.store import Sessions

        if session is not None:
            return session
        return Sessions(environ).new(invocation.workspace, settings.api_key or "")

    status = await app.run(
        open_session,
        full_auto=options.full_auto,
        embedded=options.embedded,
        welcomes=session is None and is_due(environ),
    )
    if (kept := app.kept) is not None:
        sys.stdout.write(f"Go on with this conversation: vtcode --resume {kept}{os.linesep}")
        sys.stdout.flush()
    return status


def _asked_for(invocation: Invocation, settings: Settings) -> "Session | None":
    """Open the session that was named, before there is a window: which one, is asked on the terminal as it is."""
    options = invocation.options
    if not (options.go_on or options.resume is not None or options.fork):
        return None
    from vtcode.commands.opening import open_session

    return open_session(invocation, settings.api_key or "")


def _flags(invocation: Invocation) -> Sequence[str]:
    flags = {"provider": "--provider", "default_model": "--model", "config": "--config"}
    given = [word for name, value in invocation.flags.items() for word in (flags[name], value)]
    return (*given, *(word for assignment in invocation.assignments for word in ("-c", assignment)))
