"""What a command may use at most: limits of each process, and a watch over all of them together."""

import asyncio
import os
from pathlib import Path
from typing import Final

import msgspec

_PULSE: Final = 0.1
"""Seconds between two looks; a fork bomb makes some thousand processes in that time, which a machine survives."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Most that a command and all that it starts may use."""

    memory: int = 0
    """Bytes resident, of all processes together; 0 for three quarters of the machine's."""
    processes: int = 512
    files: int = 4096
    """Open at once, in one process."""
    file_size: int = 8 << 30
    """Bytes of one file."""

    @property
    def most_memory(self) -> int:
        return self.memory or os.sysconf("SC_PHYS_PAGES") * _PAGE * 3 // 4


class Exceeded(Exception):
    """A command used more than it may; the text says of what."""


def limited(shell: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """Return the command line that runs a shell under the limits that each process carries.

    Memory is not among them: what programs map says little about what they use, and those that map most
    (Node.js, Go, the JVM) would not even start. The number of processes is, but does not bind the superuser; in a
    user namespace it counts those of the box alone (Linux 5.14).

    Args:
        shell: a POSIX shell that knows `ulimit`, and its arguments.
        limits: as they should be; where the system allows less already, that stays.
    """
    # bash counts in units of 1,024 bytes, other shells in the 512 of POSIX.
    unit = 1024 if shell[0].endswith("/bash") else 512
    settings = (("c", 0), ("n", limits.files), ("f", limits.file_size // unit), ("u", limits.processes))
    prelude = "; ".join(f"ulimit -{name} {value} 2>/dev/null" for name, value in settings)
    options = tuple(word for word in shell[1:] if word in ("--norc", "--noprofile"))
    return (shell[0], *options, "-c", f'{prelude}; exec "$@"', "limits", *shell)


async def watch(pid: int, limits: Limits) -> None:
    """Look after the processes below `pid` until cancelled.

    Raises:
        Exceeded: once they use more than they may.
    """
    while True:
        await asyncio.sleep(_PULSE)
        if reason := _excess(pid, limits):
            raise Exceeded(reason)


def _excess(pid: int, limits: Limits) -> str:
    family = _family(pid)
    if len(family) > limits.processes:
        return f"more than {limits.processes} processes"
    used = sum(_resident(member) for member in family)
    if used > limits.most_memory:
        return f"more than {limits.most_memory / (1 << 30):.1f} GiB of memory"
    return ""


def _family(pid: int) -> set[int]:
    """List a process and all below it, whatever sessions and groups they made."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                # The second field is a name in brackets, which may hold anything.
                parent = int(Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    family, new = {pid}, [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        family.update(new)
    return family


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
