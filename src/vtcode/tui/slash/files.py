"""/diff, /review, /init: the files of the workspace."""

from vtcode import review as reviewing
from vtcode.output import UsageError
from vtcode.tui.desk import Desk
from vtcode.tui.diff import render_diff
from vtcode.tui.slash.beside import told_by

_MOST = 200
"""Lines of a diff that are shown; a longer one is opened in the pager."""


async def diff(desk: Desk, arguments: str) -> None:
    """Show changes, as git tells them; it runs in the sandbox, as it runs programs that the repository names."""
    if (changes := await _collected(desk, arguments)) is None:
        return
    lines = render_diff("\n".join(changes.files), desk.theme, desk.width())
    if len(lines) > _MOST:
        await desk.page("Changes", "\n".join(changes.files))
    else:
        desk.write(["", *lines])


async def review(desk: Desk, arguments: str) -> None:
    """Have the model review changes."""
    if (changes := await _collected(desk, arguments)) is None:
        return
    desk.submit(reviewing.task(changes, desk.running.context_length if desk.running is not None else None))


async def _collected(desk: Desk, revisions: str) -> reviewing.Changes | None:
    try:
        changes = await reviewing.collect(desk.workspace.root, revisions or None)
    except UsageError as error:
        desk.fail(str(error))
        return None
    if not changes.files:
        desk.say("There are no changes.")
        return None
    return changes


async def init(desk: Desk, arguments: str) -> None:
    """Write the files that a project begins with."""
    del arguments
    await told_by(desk, "init")
