"""What a command may do: the levels of isolation, which one works here, and how a command is launched in it."""

import os
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import msgspec

from vtcode.sandbox import bubblewrap
from vtcode.sandbox.environment import SYSTEM_PATH, command_environment, home_folder


class Level(StrEnum):
    """How a command is kept apart from the rest of the machine."""

    BUBBLEWRAP = "bubblewrap"
    """Its own namespaces: no network, nothing writable but the workspace, an empty home."""
    NONE = "none"
    """The user's own rights; only the environment is clean."""


class Launch(msgspec.Struct, frozen=True):
    """A process to start, with the workspace as its working folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment. The launcher of the box gets no more than the command: what it knows can be read
    from inside, in `/proc/1/environ`."""
    is_boxed: bool = False
    """Whether nothing that it starts can outlive it."""


def detect(environ: Mapping[str, str]) -> Level:
    """Find the strongest level that works here. The first call runs one boxed command (2 s at most)."""
    program = bubblewrap.find_program()
    if program is not None and bubblewrap.works(program, home_folder(environ)):
        return Level.BUBBLEWRAP
    return Level.NONE


def launch(
    command: str,
    workspace: Path,
    level: Level,
    environ: Mapping[str, str] = os.environ,
    *,
    network: bool = False,
) -> Launch:
    """Lay out how `command`, a line for bash, runs at `level`.

    Args:
        workspace: absolute, with links resolved; the only place that the command may change.
        environ: where the user's home and search path are read; nothing else of it is passed on.
        network: whether a boxed command shares the machine's network.
    """
    home = home_folder(environ)
    match level:
        case Level.BUBBLEWRAP:
            boxed_home = bubblewrap.boxed_home(home, workspace)
            argv = bubblewrap.box(_shell(command), workspace, home, environ, network=network)
            return Launch(argv, command_environment(environ, workspace, boxed_home), is_boxed=True)
        case Level.NONE:
            return Launch(_shell(command), command_environment(environ, workspace, home))
        case _:
            assert_never(level)


def _shell(command: str) -> tuple[str, ...]:
    search = os.pathsep.join(SYSTEM_PATH)
    if bash := shutil.which("bash", path=search):
        # The dashes keep a line that begins with one from being an option of the shell.
        return (bash, "--norc", "--noprofile", "-c", "--", command)
    return ("/bin/sh", "-c", "--", command)
