"""What a command may do: the levels of isolation, which one works here, and how a command is launched in it."""

import os
import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import msgspec

from vtcode.sandbox import bubblewrap, landlock, seatbelt, seccomp
from vtcode.sandbox.environment import SYSTEM_PATH, command_environment, home_folder
from vtcode.sandbox.limits import Limits, limited


class Level(StrEnum):
    """How a command is kept apart from the rest of the machine, the strongest first."""

    BUBBLEWRAP = "bubblewrap"
    """Its own namespaces: no network, nothing writable but the workspace, an empty home."""
    SEATBELT = "seatbelt"
    """The same by the rules of macOS, without namespaces."""
    LANDLOCK = "landlock"
    """No network and nothing writable but the workspace, which is open to it as a whole."""
    NONE = "none"
    """The user's own rights; only the environment is clean."""

    @property
    def is_whole(self) -> bool:
        """Whether the policies alone decide about commands; below that, each is asked about."""
        return self in (Level.BUBBLEWRAP, Level.SEATBELT)


class Found(msgspec.Struct, frozen=True):
    """The strongest level that works here."""

    level: Level
    missing: tuple[str, ...] = ()
    """Why no stronger one does, as clauses."""


class Launch(msgspec.Struct, frozen=True):
    """A process to start, with the workspace as its working folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment. The launcher of the box gets no more than the command: what it knows can be read
    from inside, in `/proc/1/environ`."""
    is_boxed: bool = False
    """Whether nothing that it starts can outlive it."""
    filter: bytes = b""
    """Of system calls, for the launcher of the box."""
    limits: Limits = Limits()
    """Of all that it starts together."""


def examine(environ: Mapping[str, str]) -> Found:
    """Find the strongest level that works here. The first call runs a command in each that might (9 s at most)."""
    home = home_folder(environ)
    if sys.platform == "darwin":
        problem = seatbelt.fault(home)
        return Found(Level.SEATBELT) if problem is None else Found(Level.NONE, (problem,))
    program = bubblewrap.find_program()
    problem = "bubblewrap is not installed" if program is None else bubblewrap.fault(program, home)
    if problem is None:
        return Found(Level.BUBBLEWRAP)
    weaker = landlock.fault(home)
    return Found(Level.LANDLOCK, (problem,)) if weaker is None else Found(Level.NONE, (problem, weaker))


def detect(environ: Mapping[str, str]) -> Level:
    """Return the level that `examine` finds."""
    return examine(environ).level


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
            return Launch(
                argv,
                command_environment(environ, workspace, boxed_home),
                is_boxed=True,
                filter=seccomp.build(network=network),
            )
        case Level.SEATBELT:
            argv = seatbelt.boxed(_shell(command), workspace, home, environ, network=network)
            return Launch(argv, command_environment(environ, workspace, home))
        case Level.LANDLOCK:
            argv = landlock.confined(_shell(command), workspace, home, environ, network=network)
            # It finds a home of its own inside.
            return Launch(argv, command_environment(environ, workspace, home))
        case Level.NONE:
            return Launch(_shell(command), command_environment(environ, workspace, home))
        case _:
            assert_never(level)


def _shell(command: str) -> tuple[str, ...]:
    search = os.pathsep.join(SYSTEM_PATH)
    if bash := shutil.which("bash", path=search):
        # The dashes keep a line that begins with one from being an option of the shell.
        return limited((bash, "--norc", "--noprofile", "-c", "--", command), Limits())
    return limited(("/bin/sh", "-c", "--", command), Limits())
