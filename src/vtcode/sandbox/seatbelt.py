"""A box on macOS: the profile that `sandbox-exec` is given. Not run by our tests, which have no Mac."""

import functools
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from vtcode.sandbox.environment import command_environment, environments, toolchains
from vtcode.sandbox.trial import Untried, attempt
from vtcode.workspace import PROTECTED_NAMES, SECRET_FILES, SECRET_FOLDERS, Workspace

PROGRAM: Final = "/usr/bin/sandbox-exec"
_SELF_TEST_SECONDS: Final = 5

_BASE: Final = """(version 1)
(deny default)
(allow process-fork)
(allow process-exec)
(allow process-info* (target same-sandbox))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow ipc-posix-sem)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow file-ioctl (literal "/dev/null"))
(allow file-read*)
(allow file-write* (literal "/dev/null") (literal "/dev/zero"))"""

_NETWORK: Final = """(allow network*)
(allow mach-lookup (global-name "com.apple.SystemConfiguration.configd") (global-name "com.apple.trustd.agent"))"""

_OTHERS: Final = ("/Users", "/private/tmp", "/private/var/tmp", "/private/var/folders", "/private/var/root")
"""Folders of people and running programs."""

# The command's home and temporary files are in a folder of its own, which goes when it ends. The trap of a shell
# runs after the command that it waits for.
_WRAPPER: Final = """umask 077
private=$(mktemp -d /tmp/vtcode-box-XXXXXX) && private=$(cd "$private" && pwd -P) || exit 125
trap 'rm -rf "$private"' EXIT
trap 'exit 143' TERM HUP
trap 'exit 130' INT
HOME=$private TMPDIR=$private "$0" -D "PRIVATE=$private" -p "$@"
"""

# Writes to a file in the workspace, and tries what must not be: a file beside it, one of git's, one with keys.
_SELF_TEST: Final = """
echo >inside; (echo >"$1"); (echo x >.git/config); (echo x >.Git/hook)
(cat .env) && exit 1
exit 0
"""


class Ground(msgspec.Struct, frozen=True):
    """What a profile speaks of besides the system; all paths absolute, with links resolved."""

    workspace: Path
    """Writable, but for what is protected."""
    home: Path
    """Hidden, but for what is visible."""
    visible: tuple[Path, ...] = ()
    """Folders of programs, readable wherever they lie."""
    closed: tuple[Path, ...] = ()
    """Folders in the workspace that stay as they are."""


def profile(ground: Ground, *, network: bool = False) -> str:
    """Write the profile; of rules that match the same operation, the last one counts.

    The private folder is a parameter of the profile, PRIVATE.

    Raises:
        ValueError: for a path that cannot be written into a profile.
    """
    lines = [_BASE, *_visibility(ground)]
    # With `/` as the workspace everything stays read-only: a writable root would be no box.
    if ground.workspace != Path("/"):
        lines.append(f"(allow file-write* {_subpath(ground.workspace)})")
    root = _pattern(str(ground.workspace).rstrip("/"))
    protected = "|".join(sorted(map(_pattern, PROTECTED_NAMES)))
    lines.append(f"(deny file-write* {_regex(f'^{root}/(.*/)?({protected})(/.*)?$')})")
    if ground.closed:
        lines.append(f"(deny file-write* {' '.join(map(_subpath, ground.closed))})")
    keys = "|".join((*map(_glob, SECRET_FILES), *sorted(map(_pattern, SECRET_FOLDERS))))
    lines.append(f"(deny file-read* file-write* {_regex(f'^{root}/(.*/)?({keys})(/.*)?$')})")
    lines.append('(allow file-read* file-write* (subpath (param "PRIVATE")))')
    lines.append(_NETWORK if network else "(deny network*)")
    return "\n".join(lines) + "\n"


def _visibility(ground: Ground) -> Iterable[str]:
    """Hide folders and show others, outer ones before inner ones; at the same depth, hiding comes first."""
    rules = {path: False for path in (*map(Path, _OTHERS), ground.home) if path != Path("/")}
    rules |= dict.fromkeys((*ground.visible, ground.workspace), True)
    for path, is_shown in sorted(rules.items(), key=lambda rule: (len(rule[0].parts), rule[1])):
        # Names and times stay: programs ask for those of every folder on the way to their own.
        yield f"({'allow file-read*' if is_shown else 'deny file-read-data file-read-xattr'} {_subpath(path)})"


def boxed(
    command: tuple[str, ...],
    workspace: Path,
    home: Path,
    environ: Mapping[str, str],
    *,
    network: bool = False,
    program: str = PROGRAM,
) -> tuple[str, ...]:
    """Return the command line that runs `command` in a box around `workspace` (absolute, resolved).

    Raises:
        ValueError: for a workspace whose path cannot be written into a profile.
    """
    closed = [folder for folder in environments(environ) if folder.is_relative_to(workspace) and folder != workspace]
    if (linked := Workspace(workspace).linked_git_folder()) is not None:
        closed.append(linked)
    ground = Ground(workspace, home, tuple(toolchains(environ, home)), tuple(closed))
    return ("/bin/sh", "-c", _WRAPPER, program, profile(ground, network=network), *command)


@functools.cache
def fault(home: Path) -> str | None:
    """Return why this box does not work here, or None. The first call runs a command in it (5 s at most)."""
    if sys.platform != "darwin":
        return "Seatbelt is of macOS alone"
    with tempfile.TemporaryDirectory(prefix="vtcode-", ignore_cleanup_errors=True) as folder:
        workspace = Path(os.path.realpath(folder))
        (workspace / ".git").mkdir()
        (workspace / ".env").write_text("KEY=x\n")
        outside = Path("/private/var/tmp") / f"vtcode-{secrets.token_hex(8)}"
        shell = ("/bin/sh", "-c", _SELF_TEST, "self-test", str(outside))
        try:
            env = command_environment({}, workspace, home)
            ended = attempt(boxed(shell, workspace, home, {}), env, _SELF_TEST_SECONDS, cwd=str(workspace))
        except (Untried, ValueError) as error:
            return f"sandbox-exec does not work here: {error}"
        has_escaped = outside.exists() or bool(os.listdir(workspace / ".git"))
        outside.unlink(missing_ok=True)
        if ended.status != 0 or has_escaped or not (workspace / "inside").exists():
            said = f": {ended.said}" if ended.said else ""
            return f"sandbox-exec fails its self-test (exit status {ended.status}{said})"
        return None


def _subpath(path: Path) -> str:
    return f"(subpath {_quoted(str(path))})"


def _regex(pattern: str) -> str:
    return f"(regex {_quoted(pattern)})"


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!a} cannot be written into a profile")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pattern(text: str) -> str:
    """Write a text as a regular expression that means just it, in upper and lower case.

    Volumes do not tell the two apart. There is no flag for that: `(?i)` is taken, and then matches nothing.
    """
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if letter.isascii() and letter.isalpha():
        return f"[{letter.upper()}{letter.lower()}]"
    if letter in ".+*?(){|$":
        return f"[{letter}]"
    return f"\\{letter}" if letter in "\\^[]}" else letter


def _glob(glob: str) -> str:
    return "[^/]*".join(map(_pattern, glob.split("*")))
