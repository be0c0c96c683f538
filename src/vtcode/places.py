"""Where the program keeps files of its own."""

import sys
from collections.abc import Mapping
from pathlib import Path


def state_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder for logs and other things that the program keeps for itself (XDG Base Directory)."""
    base = Path(environ.get("XDG_STATE_HOME") or "")
    # A relative path there is to be ignored, and could lie in the workspace.
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "vtcode"


def shown_path(path: Path, environ: Mapping[str, str]) -> str:
    """Write a path for a person: what lies in the home folder with `~`."""
    home, words = environ.get("HOME", ""), str(path)
    return f"~{words.removeprefix(home)}" if home and words.startswith(f"{home}/") else words


def user_file(environ: Mapping[str, str]) -> Path:
    """Return the user's own vtcode.toml, as the configuration looks for it (XDG Base Directory)."""
    home = Path(environ.get("HOME") or Path.home())
    configured = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    folder = configured if configured.is_absolute() else home / ".config"
    path = folder / "vtcode" / "vtcode.toml"
    mac = home / "Library" / "Application Support" / "vtcode" / "vtcode.toml"
    return mac if sys.platform == "darwin" and mac.exists() and not path.exists() else path
