"""The weaker box, tried as the superuser and as a normal user; like the whole one, by effects."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.test_box import ESCAPES, SECRET, Place, as_user, command_lines, outputs
from tests.agent.test_box import user as user  # the fixture
from vtcode.sandbox import Level, landlock, launch

OPEN = {
    # In the workspace, which is open as a whole.
    "move git away",
    "unmount the protection of git",
    "replace git",
    "hooks of git",
    "our own configuration",
    "a secret in the workspace",
    # Landlock does not know of modes and times.
    "mode of a file outside",
    "times of a file outside",
    # Its own home, which is gone when it ends.
    "start-up files",
}
"""Ways that stay open at this level, which is why commands are asked about."""


@pytest.fixture
def place(user: int) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="vtcode-box-", dir="/var/tmp")).resolve()
    try:
        yield Place(folder, owner=user)
    finally:
        shutil.rmtree(folder)


def confined(user: int, place: Place, commands: list[str]) -> list[str]:
    """Run commands at this level, with a Python that the user may start."""

    def work() -> list[str]:
        if not os.access(sys.executable, os.X_OK):
            found = shutil.which("python3", path="/usr/bin:/usr/local/bin")
            assert found, "a normal user needs a Python of the system's"
            sys.executable = found
        return outputs(place, commands, Level.LANDLOCK)

    return as_user(user, work)


def test_landlock_works_here() -> None:
    assert landlock.fault(Path.home()) is None, "the kernel has to have Landlock (5.13 or later)"


def test_no_other_way_out(place: Place, user: int) -> None:
    before = place.state()
    with socket.create_server(("0.0.0.0", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0vtcode-{os.getpid()}")
        abstract.listen()
        values = {
            "outside": place.outside,
            "home": place.home,
            "port": listener.getsockname()[1],
            "abstract": f"vtcode-{os.getpid()}",
            "pid": os.getpid(),
        }
        tried = {name: command for name, command in ESCAPES.items() if name not in OPEN}
        for name, command in tried.items():
            for word, value in values.items():
                command = command.replace(f"{{{word}}}", str(value))
            tried[name] = command
        said = confined(user, place, list(tried.values()))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    escaped = [name for name, text in zip(tried, said, strict=True) if "ESCAPED" in text or SECRET in text]
    assert escaped == []
    assert place.state() == before


def test_nothing_outlives_the_command_nor_its_private_home(place: Place, user: int) -> None:
    sleep = f"perl -e 'sleep 61' {place.root} >/dev/null"
    command = f"(setsid {sleep} &); nohup {sleep} & ({sleep} & disown); echo $HOME"
    (home,) = confined(user, place, [command])
    assert not [line for line in command_lines() if str(place.root).encode() in line]
    assert home.strip().startswith("/tmp/vtcode-box-") and not Path(home.strip()).exists()


def test_the_command_ends_when_whoever_started_it_is_killed(place: Place) -> None:
    started = launch(f"perl -e 'sleep 61' {place.root}", place.root, Level.LANDLOCK, {"HOME": str(place.home)})
    outer = subprocess.Popen(
        ["/bin/sh", "-c", '"$@" & echo started; wait', "sh", *started.argv], env=started.env, stdout=subprocess.PIPE
    )
    assert outer.stdout is not None and outer.stdout.readline() == b"started\n"
    end = time.monotonic() + 10
    while not [line for line in command_lines() if line.startswith(b"perl") and str(place.root).encode() in line]:
        assert time.monotonic() < end
        time.sleep(0.05)
    outer.send_signal(signal.SIGKILL)
    outer.wait()
    while [line for line in command_lines() if str(place.root).encode() in line]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_forks_on_and_on_ends_too(place: Place, user: int) -> None:
    # Those that are made between a look at the processes and the kill have to be found by the next look.
    restless = f"while :; do setsid perl -e 'sleep 61' {place.root} & sleep 0.005; done"
    started = time.monotonic()
    confined(user, place, [f"({restless}) >/dev/null 2>&1 & ({restless}) >/dev/null 2>&1 & sleep 0.5"] * 3)
    assert time.monotonic() - started < 15
    assert not [line for line in command_lines() if str(place.root).encode() in line]


def test_the_command_finds_signals_as_a_shell_does(place: Place, user: int) -> None:
    (said,) = confined(user, place, ["grep -E 'Sig(Blk|Ign)' /proc/self/status; yes | head -1"])
    blocked, ignored, *rest = said.splitlines()
    assert (int(blocked.split()[1], 16), int(ignored.split()[1], 16)) == (0, 0)
    assert rest == ["y"]


@pytest.mark.skipif(os.getuid() != 0, reason="only the superuser has capabilities to lose")
def test_no_capability_is_left_where_the_bounding_set_cannot_be_changed(place: Place) -> None:
    started = launch("grep Cap /proc/self/status", place.root, Level.LANDLOCK, {"HOME": str(place.home)})
    fewer = ["setpriv", "--bounding-set", "-setpcap", "--inh-caps", "+chown,+dac_override"]
    outer = subprocess.run(
        [*fewer, *started.argv], env=started.env, cwd=place.root, capture_output=True, text=True, check=True
    )
    held = dict(line.split() for line in outer.stdout.splitlines())
    assert [int(held[f"Cap{kind}:"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")] == [0, 0, 0, 0]
    assert int(held["CapBnd:"], 16) != 0, "the case that this is about"
