"""Runs `vtcode` itself for a slash command that is one of its commands too."""

import asyncio
import sys
from typing import Final

from vtcode.tui.desk import Desk

_MOST: Final = 1_000_000


async def told_by(desk: Desk, *arguments: str) -> None:
    """Run `vtcode ARGUMENTS` in this workspace, and show what it prints."""
    environment = {**desk.environ, "NO_COLOR": "1", "COLUMNS": str(desk.width())}
    process = await asyncio.create_subprocess_exec(
        # -P keeps the workspace off the module path: a cloned repository may hold a folder named vtcode.
        *(sys.executable, "-P", "-m", "vtcode", *desk.flags, *arguments),
        cwd=desk.workspace.root,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    text = output[:_MOST].decode("utf-8", "replace").rstrip("\n")
    desk.say(text or f"vtcode {' '.join(arguments)} said nothing")
