"""The record of a running server, by which other commands find it and tell whether it still lives."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Literal

import msgspec

HEALTH_TIMEOUT = 3.0
"""Seconds that a server has to answer; a busy one answers at once too, since engines are processes of their own."""

_MAX_RECORD = 1 << 16

State = Literal["running", "silent", "ended"]
"""It answers; its process lives and does not answer; its process is gone."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A server that runs, or that ended without removing this."""

    pid: int
    born: str
    """When its process started, as the system counts: a later process that got the same number differs."""
    host: str
    """The address that it listens on."""
    port: int
    url: str
    """Where it answers, as its banner says it."""
    version: str
    started: float
    """Seconds since 1970."""
    log: str = ""
    """The file that its output goes to; empty where that is a terminal's."""

    @property
    def address(self) -> str:
        """Its URL by number: the name localhost can mean another server, on the other family of addresses."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}
        host = everywhere.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


# Writing ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def recorded(state: Path, record: Record) -> Generator[None]:
    """Keep the record for as long as the block runs; records of servers that ended are cleared away.

    Raises:
        OSError: when it cannot be written.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for former in records(state):
        if not lives(former):
            forget(state, former)
    path = _path(state, record.port)
    # A temporary file has mode 0600, and the rename shows others the old record or the whole new one.
    with tempfile.NamedTemporaryFile(dir=state, prefix=".server-", delete=False) as file:
        file.write(msgspec.json.encode(record))
    Path(file.name).replace(path)
    try:
        yield
    finally:
        forget(state, record)


def forget(state: Path, record: Record) -> None:
    """Remove the record, unless another server has taken its place."""
    path = _path(state, record.port)
    if _read(path) == record:
        with contextlib.suppress(OSError):
            path.unlink()


def _path(state: Path, port: int) -> Path:
    return state / f"server-{port}.json"


# Reading ------------------------------------------------------------------------------------------------


def records(state: Path) -> list[Record]:
    """List the records by port; what is no record is passed over."""
    found = (_read(path) for path in state.glob("server-*.json"))
    return sorted((record for record in found if record is not None), key=lambda record: record.port)


def _read(path: Path) -> Record | None:
    try:
        if path.stat().st_size > _MAX_RECORD:
            return None
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    # A process number of 0 or below would mean a group of processes.
    return record if record.pid > 0 and _path(path.parent, record.port) == path else None


def state_of(record: Record) -> State:
    """Tell whether the server lives and answers; takes `HEALTH_TIMEOUT` seconds at most."""
    if not lives(record):
        return "ended"
    return "running" if answers(record.address) else "silent"


def lives(record: Record) -> bool:
    """Tell whether the very process that wrote the record still runs."""
    return born(record.pid) == record.born


def answers(address: str) -> bool:
    """Ask a server for its health."""
    import httpx2

    try:
        with httpx2.Client(trust_env=False, timeout=HEALTH_TIMEOUT) as client:
            return client.get(f"{address}/health").status_code == 200
    except httpx2.HTTPError:
        return False


def born(pid: int) -> str | None:
    """Say when a process started, in words that no other process of this machine shares; None when it is gone."""
    if sys.platform != "linux":
        return _born_by_ps(pid)
    try:
        # The name, in parentheses, can hold anything; field 3 follows it (proc_pid_stat(5)).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # A zombie has ended; only its parent has not asked yet.
    return None if fields[0] in {"Z", "X"} else f"{boot}/{fields[19]}"


def _born_by_ps(pid: int) -> str | None:
    # In C, dates do not depend on the user's language.
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, start = done.stdout.strip().partition(" ")
    return None if done.returncode or status.startswith("Z") else start.strip()


# Ending -------------------------------------------------------------------------------------------------


def end(record: Record, *, within: float, force: bool = False) -> bool:
    """Ask the server to end, or kill it, and wait; tell whether it is gone.

    Args:
        record: the server.
        within: seconds to wait.
        force: kill it; its engines end with it, since each lives by a pipe to it.
    """
    if not _send(record, signal.SIGKILL if force else signal.SIGTERM):
        return True
    deadline = time.monotonic() + within
    while lives(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _send(record: Record, what: signal.Signals) -> bool:
    """Signal the very process that wrote the record; tell whether there was one."""
    try:
        if sys.platform != "linux":
            if alive := lives(record):
                os.kill(record.pid, what)
            return alive
        # The descriptor holds on to the process, so that its number cannot pass to another between look and signal.
        descriptor = os.pidfd_open(record.pid)
        try:
            if alive := lives(record):
                signal.pidfd_send_signal(descriptor, what)
            return alive
        finally:
            os.close(descriptor)
    except ProcessLookupError:
        return False
