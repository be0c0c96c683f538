"""A weaker box for where user namespaces are blocked: Landlock and a filter of system calls, made by `confine`."""

import base64
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from vtcode.sandbox import seccomp
from vtcode.sandbox.bubblewrap import hidden_folders
from vtcode.sandbox.environment import command_environment, toolchains

_SELF_TEST_SECONDS: Final = 5
_HELPER: Final = Path(__file__).with_name("confine.py")
"""Handed over as a text: whoever runs the command need not be able to read our files."""
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")

# Writes to a file in the workspace, tries one beside it, reads one at home, and looks for the filter.
_SELF_TEST: Final = """
echo >"$1"; (echo >"$2")
(cat "$3" >/dev/null) && exit 1
while read -r name value; do case $name$value in Seccomp:2) exit 0 ;; esac; done </proc/self/status
exit 3
"""


class Rules(msgspec.Struct, frozen=True):
    """What a confined command may do; everything else it may not."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    network: bool
    filter: str
    """Of system calls, in Base64."""
    may_be_orphan: bool
    """Whether the one who starts it may be the first process, as in a container."""


def confined(
    command: tuple[str, ...], workspace: Path, home: Path, environ: Mapping[str, str], *, network: bool = False
) -> tuple[str, ...]:
    """Return the command line that runs `command` confined to `workspace` (absolute, resolved).

    Landlock can only allow: what is secret or protected beneath the workspace stays open to the command, and so do
    the modes and times of all files of the user. Hence commands at this level are asked about.
    """
    hidden = hidden_folders(home)
    # Of the devices, only those that hold nothing.
    tops = [Path("/") / name for name in sorted(os.listdir("/")) if name != "dev"]
    readable = [top for top in tops if not any(folder.is_relative_to(os.path.realpath(top)) for folder in hidden)]
    readable += [folder for folder in toolchains(environ, home) if folder != home]
    # With `/` as the workspace everything stays read-only: a writable root would be no box.
    writable = [str(workspace)] if workspace != Path("/") else []
    rules = Rules(
        readable=tuple(map(str, readable)),
        writable=(*writable, *(f"/dev/{name}" for name in _DEVICES)),
        network=network,
        # A socket of a file cannot be kept from those of other programs, such as the bus of the session.
        filter=base64.b64encode(seccomp.build(network=network, local=False)).decode(),
        may_be_orphan=os.getpid() == 1,
    )
    python = sys.executable or "/usr/bin/python3"
    return (python, "-I", "-S", "-c", _helper(), msgspec.json.encode(rules).decode(), "--", *command)


@functools.cache
def _helper() -> str:
    return _HELPER.read_text()


@functools.cache
def fault(home: Path) -> str | None:
    """Return why no command can be confined here, or None. The first call runs one (5 s at most)."""
    if sys.platform != "linux":
        return "Landlock is of Linux alone"
    if not seccomp.build(network=False):
        return "there is no filter of system calls for this processor"
    with tempfile.TemporaryDirectory(prefix="vtcode-", ignore_cleanup_errors=True) as folder:
        workspace = Path(os.path.realpath(folder)) / "workspace"
        workspace.mkdir()
        inside, outside, secret = workspace / "inside", workspace.parent / "outside", workspace.parent / "secret"
        secret.write_text("x")
        shell = ("/bin/sh", "-c", _SELF_TEST, "self-test", str(inside), str(outside), str(secret))
        try:
            ended = subprocess.run(
                confined(shell, workspace, home, {}),
                env=command_environment({}, workspace, home),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_SELF_TEST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"Landlock's self-test did not end within {_SELF_TEST_SECONDS} s"
        except OSError as error:
            return f"Landlock's self-test could not be started ({error.strerror})"
        if ended.returncode == 126:
            return ended.stderr.decode("utf-8", "replace").strip()[:200]
        if ended.returncode != 0 or not inside.exists() or outside.exists():
            return "Landlock does not confine here"
        return None
