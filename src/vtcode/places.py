"""Where the program keeps files of its own."""

from collections.abc import Mapping
from pathlib import Path


def state_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder for logs and other things that the program keeps for itself (XDG Base Directory)."""
    base = Path(environ.get("XDG_STATE_HOME") or "")
    # A relative path there is to be ignored, and could lie in the workspace.
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "vtcode"
