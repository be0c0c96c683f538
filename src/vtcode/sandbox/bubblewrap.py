"""A box of Linux namespaces around one command, made by bubblewrap."""

import functools
import itertools
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from vtcode.sandbox import findings, seccomp
from vtcode.sandbox.environment import SYSTEM_PATH, command_environment, environments, toolchains
from vtcode.sandbox.trial import Untried, attempt
from vtcode.workspace import Workspace

_PROGRAM_PATH: Final = "/usr/bin:/usr/local/bin:/bin"
_SELF_TEST_SECONDS: Final = 2
PROXY_PORT: Final = 3128
"""Of the box's own loopback, where programs in it find the proxy to the hosts that are let out."""
_PRIVATE_BYTES: Final = 1 << 30
"""Most that a command may put into each of its private folders: they are memory."""

# Everything is shared read-only at first, then hidden or made writable piece by piece. What is not obvious:
# - `--proc` brings a writable /proc/sys, and with it core_pattern, which runs programs outside.
# - As root, without `--cap-drop`, the mounts below can be undone from inside.
# - `--new-session` keeps the command from typing into our terminal.
# What no namespace divides (keyrings, vsock, the kernel's less common doors) the filter of system calls closes.
_ISOLATION: Final = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
    *("--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--ro-bind", "/proc/sys", "/proc/sys"),
)

# Writes to a file in the workspace, tries one beside it, and looks at what would open the machine: two files, a
# network with more than a loopback, system calls without a filter.
_SELF_TEST: Final = """
echo >"$1"; (echo >"$2")
[ ! -w /etc/passwd ] && [ ! -w /proc/sys/kernel/core_pattern ] || exit 1
while read -r name _; do case $name in Inter-*|face*|lo:*) ;; *) exit 2 ;; esac; done </proc/net/dev
while read -r name value; do case $name$value in Seccomp:2) exit 0 ;; esac; done </proc/self/status
exit 3
"""


class _Mount(msgspec.Struct, frozen=True):
    """A folder or file of the box, and the options that put it there."""

    path: Path
    options: tuple[str, ...]


def find_program() -> str | None:
    """Find bubblewrap among the system's programs; one that a workspace brings along is never used."""
    return shutil.which("bwrap", path=_PROGRAM_PATH)


@functools.cache
def fault(program: str, home: Path) -> str | None:
    """Return why no box can be made here, or None: a boxed command is run (2 s at most), and has to be able to write
    into its workspace and nowhere else.
    """
    with tempfile.TemporaryDirectory(prefix="vtcode-", ignore_cleanup_errors=True) as folder:
        workspace = Path(os.path.realpath(folder)) / "workspace"
        workspace.mkdir()
        inside, outside = workspace / "inside", workspace.parent / "outside"
        shell = ("/bin/sh", "-c", _SELF_TEST, "self-test", str(inside), str(outside))
        # Without a filter for this architecture there is no whole box here.
        filter_end = seccomp.descriptor(seccomp.build(network=False))
        try:
            ended = attempt(
                with_filter(_command(program, _layout(workspace, home, {}), workspace, shell), filter_end),
                command_environment({}, workspace, boxed_home(home, workspace)),
                _SELF_TEST_SECONDS,
                (filter_end,),
            )
        except Untried as error:
            return str(error)
        finally:
            os.close(filter_end)
        if ended.status == 0 and inside.exists() and not outside.exists():
            return None
        return f"{program} fails its self-test (exit status {ended.status}{': ' + ended.said if ended.said else ''})"


def box(
    command: tuple[str, ...],
    workspace: Path,
    home: Path,
    environ: Mapping[str, str],
    *,
    network: bool = False,
    door: Path | None = None,
) -> tuple[str, ...]:
    """Return the command line that runs `command` in a box around `workspace` (absolute, resolved).

    Start it from a thread that outlives it: `--die-with-parent` follows the thread, not the process.
    """
    program = find_program() or "/usr/bin/bwrap"
    layout = _layout(workspace, home, environ)
    if network:
        layout += _network()
    elif door is not None:
        layout += ("--ro-bind", str(door), str(door))
    return _command(program, layout, workspace, command)


def through(door: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that runs `command` in a box with a forwarder to that socket on its loopback."""
    text = Path(__file__).with_name("forward.py").read_text()
    python = sys.executable or "/usr/bin/python3"
    return (python, "-I", "-S", "-c", text, str(door), str(PROXY_PORT), "--", *command)


def _network() -> tuple[str, ...]:
    """Return the options that share the network, and the names of its hosts."""
    resolver = os.path.realpath("/etc/resolv.conf")
    # Where a service writes it, it lies beneath /run, which is hidden.
    shown = ("--ro-bind", resolver, resolver) if resolver != "/etc/resolv.conf" and os.path.isfile(resolver) else ()
    return ("--share-net", *shown)


def with_filter(argv: Sequence[str], descriptor: int) -> tuple[str, ...]:
    """Return the command line that `box` gave, with the descriptor of a filter of system calls."""
    return (argv[0], "--seccomp", str(descriptor), *argv[1:])


def boxed_home(home: Path, workspace: Path) -> Path:
    """Return where the private home of a box is: where the user's is, unless the work is there."""
    return home if _can_hide(home) and home.is_dir() and home != workspace else Path("/tmp")


def _command(program: str, layout: tuple[str, ...], workspace: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    return (program, *_ISOLATION, *layout, "--chdir", str(workspace), "--", *command)


def _layout(workspace: Path, home: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(itertools.chain.from_iterable(mount.options for mount in _mounts(workspace, home, environ)))


class Places(msgspec.Struct, frozen=True):
    """What a command finds in the box, as paths."""

    writable: tuple[str, ...]
    read_only: tuple[str, ...]
    """In the workspace."""
    hidden: tuple[str, ...]


def places(workspace: Path, home: Path, environ: Mapping[str, str]) -> Places:
    """Tell what a box around `workspace` would open and close."""
    found: dict[str, list[str]] = {"--bind": [], "--ro-bind": [], "--tmpfs": []}
    for mount in _mounts(workspace, home, environ):
        is_emptied = mount.options[:2] == ("--ro-bind", "/dev/null") or "--tmpfs" in mount.options
        is_inside = mount.path.is_relative_to(workspace)
        kind = "--tmpfs" if is_emptied else mount.options[0]
        if kind in found and (kind != "--ro-bind" or is_inside):
            found[kind].append(str(mount.path))
    return Places(tuple(found["--bind"]), tuple(found["--ro-bind"]), tuple(found["--tmpfs"]))


def _mounts(workspace: Path, home: Path, environ: Mapping[str, str]) -> list[_Mount]:
    """List what hides private folders and opens the workspace, outer folders before inner ones.

    The order is what makes a workspace beneath `/tmp` or the home visible, and a home beneath the workspace
    not. At the same depth, hiding comes first.
    """
    hidden = hidden_folders(home)
    mounts = [
        *(_Mount(folder, ("--size", str(_PRIVATE_BYTES), "--tmpfs", str(folder))) for folder in hidden),
        _Mount(boxed_home(home, workspace), ("--dir", str(boxed_home(home, workspace)))),
        *_visible_toolchains(hidden, workspace, home, environ),
        *_inside(workspace, environ),
    ]
    # With `/` as the workspace everything stays read-only: a writable root would undo the whole box.
    if workspace != Path("/"):
        mounts.append(_bind("--bind", workspace))
    return sorted(mounts, key=lambda mount: len(mount.path.parts))


def hidden_folders(home: Path) -> list[Path]:
    """List the folders of people and running programs: keys, sockets, other users' files."""
    own = pwd.getpwuid(os.getuid()).pw_dir
    folders = (Path(os.path.realpath(folder)) for folder in ("/tmp", "/run", "/home", "/root", own, home))
    return [folder for folder in dict.fromkeys(folders) if _can_hide(folder) and folder.is_dir()]


def _can_hide(folder: Path) -> bool:
    """Whether the box still works without this folder: system accounts have homes such as `/` or `/usr/sbin`."""
    return not any(Path(system).is_relative_to(folder) for system in (*SYSTEM_PATH, "/usr", "/etc", "/proc", "/dev"))


def _visible_toolchains(
    hidden: list[Path], workspace: Path, home: Path, environ: Mapping[str, str]
) -> Iterator[_Mount]:
    for folder in toolchains(environ, home):
        is_hidden = any(folder.is_relative_to(other) and folder != other for other in hidden)
        if is_hidden and not folder.is_relative_to(workspace):
            yield _bind("--ro-bind", folder)


def _inside(workspace: Path, environ: Mapping[str, str]) -> Iterator[_Mount]:
    """Yield what stays closed in the workspace: read-only what steers later runs, hidden what holds keys.

    Only what exists can be protected this way. `.git` is closed as a whole, since a protected `.git/hooks` could be
    moved away with it; and the environments that we and the user run programs from, since a command could leave one
    there for a later start.
    """
    found = findings.find(workspace)
    for path in found.protected:
        yield from _read_only(workspace, path)
    for path in found.secret_folders:
        yield _Mount(path, ("--tmpfs", str(path), "--remount-ro", str(path)))
    for path in found.secret_files:
        if path.is_file() and not path.is_symlink():
            yield _Mount(path, ("--ro-bind", "/dev/null", str(path)))
    if (linked := Workspace(workspace).linked_git_folder()) is not None:
        yield from _read_only(workspace, linked)
    for folder in environments(environ):
        yield from _read_only(workspace, folder)


def _read_only(workspace: Path, path: Path) -> Iterator[_Mount]:
    real = Path(os.path.realpath(path))
    if os.path.exists(real) and real != workspace and real.is_relative_to(workspace):
        yield _bind("--ro-bind", real)


def _bind(option: str, path: Path) -> _Mount:
    return _Mount(path, (option, str(path), str(path)))
