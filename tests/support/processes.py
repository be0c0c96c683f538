"""Runs the project's own commands as a user would, and sees that nothing is left of them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give an environment in which nothing of the real user's settings is seen."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    base = {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "LMSTUDIO_MODELS_DIR": str(home / "models"),
        # One thread: two that spin on a busy machine slow each other down many times over.
        "LMSTUDIO_THREADS": "1",
        "NO_COLOR": "1",
    }
    return kept | base | dict(extra or {})


def run(
    command: Sequence[str], environment: Mapping[str, str], *, cwd: Path | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end, without a terminal."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass
class RunningServer:
    """A server process, and where it answers."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def root(self) -> str:
        return self.url.removesuffix("/v1")


@contextlib.contextmanager
def running_server(
    environment: Mapping[str, str], log: Path, *arguments: str, key: str = ""
) -> Iterator[RunningServer]:
    """Run `lmstudio server start` on a free port; fail if a process of it outlives it."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [str(BIN / "lmstudio"), "server", "start", "--port", "0", "--openai", "--child", *arguments],
            env={**environment, "LMSTUDIO_API_KEY": key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None and process.stdin is not None
    try:
        line = process.stdout.readline()
        assert line, f"the server did not start: {log.read_text()}"
        yield RunningServer(process, json.loads(line)["url"], log)
        children = descendants(process.pid)
        process.stdin.close()
        process.wait(15)
        assert gone(children), "an engine outlived its server"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def descendants(pid: int) -> list[int]:
    """Find all processes below `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def gone(pids: Sequence[int], within: float = 5.0) -> bool:
    """Wait until none of the processes runs any more."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pids: Sequence[int]) -> float:
    """Add up the processor time that processes have used."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C."""
    process.send_signal(signal.SIGINT)
