"""Where the server keeps its own files, which are not models: settings, keys, logs and stored responses."""

import sys
from collections.abc import Mapping
from pathlib import Path


def settings_file(environ: Mapping[str, str]) -> Path:
    """Say where the operator's settings are: `$XDG_CONFIG_HOME/lmstudio/server.toml`."""
    return _folder(environ, "XDG_CONFIG_HOME", ".config") / "server.toml"


def state_dir(environ: Mapping[str, str]) -> Path:
    """Say where keys, logs, stored responses and the running server's address are kept."""
    return _folder(environ, "XDG_STATE_HOME", ".local/state")


def _folder(environ: Mapping[str, str], variable: str, default: str) -> Path:
    # A relative path in these variables is to be ignored (XDG Base Directory Specification).
    chosen = Path(environ.get(variable, ""))
    if chosen.is_absolute():
        return chosen / "lmstudio"
    home = Path(environ.get("HOME") or Path.home())
    return home / ("Library/Application Support" if sys.platform == "darwin" else default) / "lmstudio"
