"""Confines a command by Landlock and a filter of system calls: a program of its own, of the standard library alone.

Called as `python -I -S -c TEXT RULES -- COMMAND…`, with this file as the text, and RULES in JSON (`landlock.Rules`).
It ends with the exit status of the command, after it has ended all that the command started.

Source of the numbers: linux/landlock.h, linux/prctl.h; https://docs.kernel.org/userspace-api/landlock.html
"""

import base64
import contextlib
import ctypes
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_PR_CAPBSET_DROP, _PR_CAP_LAST = 24, 63
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_MODE_FILTER = 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READS = _EXECUTE | _READ_FILE | _READ_DIR
_MAKE_DEVICES = 1 << 6 | 1 << 11
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_OLDEST = 3
"""Version of the interface (Linux 6.2). Before it, files outside could be emptied."""
_RIGHTS = {3: 0x7FFF, 4: 0x7FFF}
"""Of files and folders, by version; from 5 on all sixteen."""
_BIND_AND_CONNECT = 3
_SCOPES = 3
"""Abstract sockets and signals stay among the confined."""

_CAPABILITIES_VERSION = 0x20080522
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
"""Signals that are waited for, never handled: nothing interrupts the tidying up."""
_DEFAULTS = (*_WATCHED, signal.SIGPIPE, signal.SIGXFSZ)
"""Those that the command shall find as a shell's are; Python ignores some."""

_PATIENCE = 20.0
"""Seconds for ending what the command left; only what hangs in the kernel takes longer than moments."""


def main() -> int:
    """Run the command that stands in the arguments."""
    rules, command = json.loads(sys.argv[1]), sys.argv[3:]
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_SUBREAPER, 1)
    # Before anything is made: who is told to end then ends in order.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    if os.getppid() == 1 and not rules["may_be_orphan"]:
        # Whoever started us is gone already.
        return 143
    private = tempfile.mkdtemp(prefix="vtcode-box-")
    try:
        pid = os.fork()
        if pid == 0:
            _become(rules, private, command)
        return _ended(pid)
    finally:
        _end_all()
        shutil.rmtree(private, ignore_errors=True)


def _ended(pid: int) -> int:
    """Wait until the command ended, or a signal asks us to end; what lost its parent is ours to bury."""
    while True:
        found, status = os.waitpid(-1, os.WNOHANG)
        if found == pid:
            return os.waitstatus_to_exitcode(status)
        if found == 0 and signal.sigwait(_WATCHED) != signal.SIGCHLD:
            return 128 + signal.SIGTERM


def _become(rules: dict[str, Any], private: str, command: list[str]) -> None:
    """Turn this process into the command, confined; it never returns."""
    try:
        for number in _DEFAULTS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        _drop_capabilities()
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _confine(rules["readable"], [*rules["writable"], private], has_network=rules["network"])
        _give_up_capabilities()
        _filter(base64.b64decode(rules["filter"]))
        os.execve(command[0], command, {**os.environ, "HOME": private, "TMPDIR": private})
    except BaseException as error:
        print(f"the sandbox could not be made: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(126)


def _drop_capabilities() -> None:
    """Keep the superuser from gaining any by the command that it becomes: raw disks, memory, other users' files."""
    if os.geteuid() == 0:
        for number in range(_PR_CAP_LAST + 1):
            # The kernel knows fewer than there is room for.
            with contextlib.suppress(OSError):
                _prctl(_PR_CAPBSET_DROP, number)


def _give_up_capabilities() -> None:
    """Give up what we hold, which needs no right: what we may not drop above cannot come back without it."""
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    if _libc().capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capabilities could not be given up")


def _confine(readable: list[str], writable: list[str], *, has_network: bool) -> None:
    version = _call(_CREATE_RULESET, None, 0, 1)
    if version < _OLDEST:
        raise OSError(f"Landlock here is of version {version}, and {_OLDEST} is needed (Linux 6.2)")
    rights = _RIGHTS.get(version, 0xFFFF)
    network = _BIND_AND_CONNECT if version >= 4 and not has_network else 0
    scopes = _SCOPES if version >= 6 else 0
    attributes = struct.pack("=QQQ", rights, network, scopes)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    for path in readable:
        _allow(ruleset, path, rights & _READS)
    for path in writable:
        _allow(ruleset, path, rights & ~_MAKE_DEVICES)
    _call(_RESTRICT_SELF, ruleset, 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= _OF_FILES
    rule = struct.pack("=Qi", rights, handle)
    _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(handle)


def _filter(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, and a pointer at the next multiple of its size.
    given = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    # Kept by a name as long as its address is used.
    held = ctypes.create_string_buffer(given, len(given))
    _prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(held))


def _end_all() -> None:
    """End what the command left behind: as the subreaper we are the parent of all that lost theirs."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        for pid in _below(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        # Never waited for one by one: another may have been made between the look and the kill.
        time.sleep(0.002)


def _below(top: int) -> list[int]:
    """List the processes below one, whatever sessions and groups they made."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                # The second field is a name in brackets, which may hold anything.
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    new = [top]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        found += new
    return found


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, more: int = 0) -> None:
    words = [ctypes.c_ulong(word) for word in (value, more, 0, 0)]
    if _libc().prctl(option, *words) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _call(number: int, *arguments: object) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = _libc().syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if __name__ == "__main__":
    status = main()
    if status < 0:
        # Ended by a signal, and so do we, for whoever started us to see.
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
