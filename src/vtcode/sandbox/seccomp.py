"""Builds the filter of system calls for a box: classic BPF, made here, handed to bubblewrap by descriptor."""

import errno
import os
import platform
import struct
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

# linux/bpf_common.h, linux/seccomp.h, linux/audit.h
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data; both architectures are little-endian."""

_X32: Final = 0x40000000
"""Bit of the numbers of x32, a second table of the same calls."""

_NAMESPACES: Final = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""

_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""Terminal requests that type into it, or paste into it."""

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16

_DENIED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # The kernel's large and seldom used doors.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "modify_ldt": (154, None),
    # Keyrings, which no namespace divides.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Mounts and namespaces.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "unshare": (272, 97),
    "setns": (308, 268),
    # Files by handle, past every mount.
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # The machine itself.
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vhangup": (153, 58),
}
"""Calls that no build, test or search needs, by their numbers on x86_64 and aarch64; None where there is none."""


class _Machine(msgspec.Struct, frozen=True):
    """An architecture: its audit number, its column above, and the calls that are looked into."""

    audit: int
    column: int
    clone: int
    clone3: int
    socket: int
    socketpair: int
    ioctl: int
    has_x32: bool = False


_MACHINES: Final = {
    "x86_64": _Machine(0xC000003E, 0, clone=56, clone3=435, socket=41, socketpair=53, ioctl=16, has_x32=True),
    "aarch64": _Machine(0xC00000B7, 1, clone=220, clone3=435, socket=198, socketpair=199, ioctl=29),
}


def build(*, network: bool, local: bool = True, machine: str | None = None) -> bytes:
    """Return the filter as an array of struct sock_filter; nothing for an architecture that is not known here.

    Args:
        network: lets sockets of the Internet be opened.
        local: lets sockets of the machine's own be opened; pairs of them always can.
        machine: as `uname -m` has it; None for this one.
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return b""
    families = [*([AF_UNIX] if local else []), *([AF_INET, AF_INET6, AF_NETLINK] if network else [])]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, known.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if known.has_x32:
        program += [(_JUMP_AT_LEAST, 0, 1, _X32), _refusal(errno.EPERM)]
    for number in (numbers[known.column] for numbers in _DENIED.values()):
        if number is not None:
            program += [(_JUMP_EQUAL, 0, 1, number), _refusal(errno.EPERM)]
    # Its flags lie in memory, where a filter cannot look; C libraries go on with clone.
    program += [(_JUMP_EQUAL, 0, 1, known.clone3), _refusal(errno.ENOSYS)]
    program += _looked_into(known.clone, 0, [(_JUMP_ANY_BIT, 0, 1, _NAMESPACES), _refusal(errno.EPERM)])
    program += _looked_into(known.ioctl, 1, [*_refused((_TIOCSTI, _TIOCLINUX))])
    program += _looked_into(known.socket, 0, _only(families))
    program += _looked_into(known.socketpair, 0, _only([AF_UNIX]))
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


_Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


def _refusal(number: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _looked_into(call: int, argument: int, body: list[_Instruction]) -> list[_Instruction]:
    """Run `body` on the low half of an argument of one call, and go on with the number loaded again."""
    # The kernel takes these arguments as 32 bits, so what stands above them changes nothing.
    load = (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    return [(_JUMP_EQUAL, 0, len(body) + 2, call), load, *body, (_LOAD, 0, 0, _NUMBER)]


def _refused(values: Iterable[int]) -> Iterable[_Instruction]:
    for value in values:
        yield (_JUMP_EQUAL, 0, 1, value)
        yield _refusal(errno.EPERM)


def _only(values: list[int]) -> list[_Instruction]:
    """Refuse all but these values; what follows is jumped to."""
    count = len(values)
    return [*((_JUMP_EQUAL, count - at, 0, value) for at, value in enumerate(values)), _refusal(errno.EPERM)]


def descriptor(program: bytes) -> int:
    """Return a descriptor from which a filter can be read once; whoever starts the box closes it."""
    handle = os.memfd_create("vtcode-seccomp")
    try:
        os.write(handle, program)
        os.lseek(handle, 0, os.SEEK_SET)
    except BaseException:
        os.close(handle)
        raise
    return handle
