"""A box on macOS: the profile that `sandbox-exec` is given. Not run by our tests, which have no Mac."""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from vtcode.sandbox.environment import command_environment, toolchains
from vtcode.workspace import PROTECTED_NAMES, SECRET_FILES, SECRET_FOLDERS

PROGRAM: Final = "/usr/bin/sandbox-exec"
_SELF_TEST_SECONDS: Final = 5

_BASE: Final = """(version 1)
(deny default)
(allow process-fork)
(allow process-exec)
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow file-ioctl (literal "/dev/null"))
(allow file-read*)
(allow file-write* (literal "/dev/null") (literal "/dev/zero"))"""


def profile(
    workspace: Path, home: Path, private: Path, visible: Iterable[Path] = (), *, network: bool = False
) -> str:
    """Write the profile; of rules that match the same operation, the last one counts.

    Args:
        workspace: absolute, with links resolved; writable, but for what is protected.
        home: hidden, but for what is visible.
        private: a folder for temporary files, writable.
        visible: folders of programs beneath the home.
        network: whether the network may be used.

    Raises:
        ValueError: for a path that cannot be written into a profile.
    """
    lines = [_BASE, f"(deny file-read-data (subpath {_quoted(home)}) (subpath {_quoted(Path('/Users'))}))"]
    if shown := [*visible, workspace, private]:
        lines.append(f"(allow file-read* {' '.join(f'(subpath {_quoted(path)})' for path in shown)})")
    lines.append(f"(allow file-write* (subpath {_quoted(workspace)}) (subpath {_quoted(private)}))")
    root = _pattern(str(workspace))
    protected = "|".join(sorted(_pattern(name) for name in PROTECTED_NAMES))
    lines.append(f'(deny file-write* (regex #"(?i)^{root}/(.*/)?({protected})(/|$)"))')
    secrets = "|".join((*map(_glob, SECRET_FILES), *sorted(map(_pattern, SECRET_FOLDERS))))
    lines.append(f'(deny file-read* file-write* (regex #"(?i)^{root}/(.*/)?({secrets})(/|$)"))')
    lines.append("(allow network*)" if network else "(deny network*)")
    return "\n".join(lines) + "\n"


def boxed(
    command: tuple[str, ...], workspace: Path, home: Path, environ: Mapping[str, str], *, network: bool = False
) -> tuple[str, ...]:
    """Return the command line that runs `command` in a box around `workspace` (absolute, resolved)."""
    private = Path(os.path.realpath(tempfile.gettempdir()))
    text = profile(workspace, home, private, toolchains(environ, home), network=network)
    return (PROGRAM, "-p", text, *command)


@functools.cache
def fault(home: Path) -> str | None:
    """Return why this box does not work here, or None. The first call runs a command in it (5 s at most)."""
    if sys.platform != "darwin":
        return "Seatbelt is of macOS alone"
    with tempfile.TemporaryDirectory(prefix="vtcode-", ignore_cleanup_errors=True) as folder:
        workspace = Path(os.path.realpath(folder))
        inside, outside = workspace / "inside", Path("/var/tmp") / f"{workspace.name}-outside"
        shell = ("/bin/sh", "-c", 'echo >"$1"; (echo >"$2"); exit 0', "self-test", str(inside), str(outside))
        try:
            subprocess.run(
                boxed(shell, workspace, home, {}),
                env=command_environment({}, workspace, home),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_SELF_TEST_SECONDS,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return f"sandbox-exec does not work here ({error})"
        if outside.exists() or not inside.exists():
            outside.unlink(missing_ok=True)
            return "sandbox-exec does not box here"
        return None


def _quoted(path: Path) -> str:
    text = str(path)
    if not text.isprintable():
        raise ValueError(f"the path {text!a} cannot be written into a profile")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pattern(text: str) -> str:
    """Write a text as a POSIX extended regular expression that means just it."""
    if not text.isprintable():
        raise ValueError(f"the path {text!a} cannot be written into a profile")
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if letter in '.+*?()[{|$"':
        return f"[{letter}]"
    return f"\\{letter}" if letter in "\\^]}" else letter


def _glob(glob: str) -> str:
    return "[^/]*".join(map(_pattern, glob.split("*")))
