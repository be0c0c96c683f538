"""How much memory a model needs, and how much there is."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lmserver.gguf import GgufHeader

OVERHEAD = 256 << 20
"""Bytes of a model's process beside weights and context: code, compute buffers and some cached prompts."""

_CGROUPS = Path("/sys/fs/cgroup")


class Footprint(msgspec.Struct, frozen=True):
    """The bytes of a loaded model."""

    weights: int = 0
    """Mapped from the file, so that the system counts them as memory that it could take back."""
    working: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.working


def footprint(header: GgufHeader, context_length: int) -> Footprint:
    """Estimate what a model takes with a context of so many tokens."""
    return Footprint(header.size_bytes, OVERHEAD + context_length * bytes_per_token(header))


def bytes_per_token(header: GgufHeader) -> int:
    """Estimate the bytes that a token of context takes: a key and a value of each layer, two bytes a number."""
    width = header.kv_width or header.embedding_length or 4096
    return (header.block_count or 32) * width * 2 * 2


def available(loaded: Sequence[Footprint]) -> int:
    """Say how many bytes another model may take beside those that are loaded."""
    left = [value for value in (_free_in_system(), _free_in_group()) if value is not None]
    if left:
        return min(left) - sum(each.weights for each in loaded)
    if sys.platform == "darwin":
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        # The rest is the system's and the user's own.
        return total * 3 // 4 - sum(each.total for each in loaded)
    return sys.maxsize


def _free_in_system() -> int | None:
    return _field(Path("/proc/meminfo"), "MemAvailable:", 1024)


def _free_in_group() -> int | None:
    """Say how much a container may still take, its own file cache not counted; None without a limit."""
    found: list[int] = []
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, limit, usage, cache = _CGROUPS, "memory.max", "memory.current", "inactive_file"
        elif controllers == "memory":
            root, limit, usage, cache = (
                _CGROUPS / "memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        # Inside a container its own group is the root, whatever the path says.
        for folder in (root, root / path.lstrip("/")):
            most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
            if most.isdecimal() and used.isdecimal():
                found.append(int(most) - int(used) + (_field(folder / "memory.stat", cache, 1) or 0))
    return min(found, default=None)


def _field(path: Path, name: str, unit: int) -> int | None:
    for line in _text(path).splitlines():
        words = line.split()
        if words[:1] == [name] and words[1].isdecimal():
            return int(words[1]) * unit
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def resident(pid: int) -> int | None:
    """Tell how many bytes a process has in memory (proc(5)); None where that cannot be known."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
