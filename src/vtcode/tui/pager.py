"""Long text, in the person's pager."""

import os
import shutil
import subprocess
import sys

from vtcode.text import visible


def show_paged(title: str, text: str) -> None:
    """Show text in `$PAGER`, else in less, else as it is; the terminal must be free for it.

    What it shows is made safe. less may start no other program (LESSSECURE), since the text is not the person's.
    """
    text = f"{visible(title)}\n\n{visible(text)}\n"
    # By a shell, as git and man do it.
    pager = os.environ.get("PAGER", "").strip() or (shutil.which("less") or "")
    if not pager:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    environment = {**os.environ, "LESSSECURE": "1"}
    process = subprocess.Popen(["/bin/sh", "-c", pager], stdin=subprocess.PIPE, env=environment, text=True)
    try:
        process.communicate(text)
    except BrokenPipeError:
        process.wait()
