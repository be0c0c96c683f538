"""Ways out of the box, tried: as the superuser and as a normal user, with canaries for effects."""

import asyncio
import contextlib
import os
import pickle
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vtcode.sandbox import Level, detect, launch, seccomp
from vtcode.sandbox.limits import Exceeded, Limits
from vtcode.tools.process import run_launched

SECRET = "canary-51c0"
NOBODY = 65534

SYSCALL = 'perl -e \'$r = syscall({}); print $r < 0 ? "refused " . ($!+0) : "ESCAPED"\''
"""One system call, from a language that every Debian has."""

ESCAPES = {
    "remount the root": "mount -o remount,rw,bind / && touch {outside}/made",
    "unmount the protection of git": "umount .git; echo ESCAPED > .git/config",
    "bind over what is protected": "mount --bind /tmp .git && echo ESCAPED",
    "another user namespace": "unshare -Ur echo ESCAPED",
    "another user namespace, with mounts": "unshare -Urm sh -c 'mount -o remount,rw,bind /; touch {outside}/made'",
    "another root": "chroot / echo ESCAPED",
    "another root by a call": SYSCALL.format('161, "/"'),
    "pivot_root": SYSCALL.format('155, ".", "."'),
    "open_tree": SYSCALL.format('428, -100, "/", 0'),
    "fsopen": SYSCALL.format('430, "tmpfs", 0'),
    "move git away": "mv .git g && echo ESCAPED",
    "replace git": "rm -rf .git; echo ESCAPED > .git/config",
    "hooks of git": "mkdir -p .git/hooks && echo 'touch {outside}/made' > .git/hooks/pre-commit && echo ESCAPED",
    "our own configuration": "echo x >> vtcode.toml && echo ESCAPED",
    "core_pattern": "echo '|/bin/touch {outside}/made' > /proc/sys/kernel/core_pattern && echo ESCAPED",
    "sysrq": "echo h > /proc/sysrq-trigger && echo ESCAPED",
    "a file outside by the root of the first process": "touch /proc/1/root{outside}/made",
    "a file outside by another working folder": "cd /proc/1/cwd/../.. && touch .{outside}/made",
    "a link to the outside": "ln -s {outside} out && touch out/made",
    "mode of a file outside": "chmod 777 {outside}/secret && echo ESCAPED",
    "times of a file outside": "touch -d 2001-01-01 {outside}/secret && echo ESCAPED",
    "a secret outside": "cat {outside}/secret",
    "a key at home": "cat {home}/.ssh/id_rsa $HOME/.ssh/id_rsa",
    "a secret in the workspace": "cat .env sub/../.env",
    "the environment of every process": "cat /proc/*/environ",
    "inherited descriptors": "for f in /proc/self/fd/*; do case $f in */[012]|*/3) ;; *) readlink $f ;; esac; done; "
    "cat /proc/self/fd/[4-9]* 2>/dev/null",
    "tcp": "echo x > /dev/tcp/127.0.0.1/{port} && echo ESCAPED",
    "tcp to this machine's other address": "echo x > /dev/tcp/$(hostname -i | cut -d' ' -f1)/{port} && echo ESCAPED",
    "udp": "echo x > /dev/udp/127.0.0.1/{port} && echo ESCAPED",
    "names of hosts": "getent hosts example.com && echo ESCAPED",
    "a socket of the network": SYSCALL.format("41, 2, 1, 0"),
    "a socket of packets": SYSCALL.format("41, 17, 3, 0"),
    "a socket of the kernel's ciphers": SYSCALL.format("41, 38, 5, 0"),
    "a socket of the machine's host": SYSCALL.format("41, 40, 1, 0"),
    "the abstract socket of a program outside": "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); "
    'print "ESCAPED" if connect(S, pack("S a*", 1, "\\0{abstract}"))\'',
    "ptrace": SYSCALL.format("101, 16, 1, 0, 0"),
    "memory of another process": SYSCALL.format("310, 1, 0, 0, 0, 0, 0"),
    "io_uring": SYSCALL.format("425, 8, 0"),
    "bpf": SYSCALL.format("321, 0, 0, 0"),
    "userfaultfd": SYSCALL.format("323, 0"),
    "perf": SYSCALL.format("298, 0, 0, -1, -1, 0"),
    "keyrings": SYSCALL.format("250, 0, -3, 1"),
    "a key": SYSCALL.format('248, "user", "a", "b", 1, -3'),
    "files by handle": SYSCALL.format("304, -100, 0, 0"),
    "calls of x32": SYSCALL.format(str(0x40000000 + 39)),
    "namespaces by clone": SYSCALL.format("56, 0x10000011, 0, 0, 0, 0"),
    "namespaces by clone3": SYSCALL.format("435, 0, 0"),
    "typing into a terminal": SYSCALL.format("16, 0, 0x5412, 0"),
    "typing into a terminal, with high bits": SYSCALL.format("16, 0, 0x100005412, 0"),
    "processes outside": "kill -0 {pid} && echo ESCAPED; kill -9 -1",
    "set-user-id programs": "su -c 'touch {outside}/made'; sudo -n touch {outside}/made",
    "a later start": "(crontab - <<< '* * * * * touch {outside}/made' || "
    "at now <<< 'touch {outside}/made') && echo ESCAPED",
    "a service": "systemd-run --user touch {outside}/made && echo ESCAPED",
    "start-up files": "echo 'touch {outside}/made' >> ~/.bashrc; echo x >> ~/.profile",
    "devices": "mknod disk b 8 0 && echo ESCAPED; "
    "ls /dev | grep -E '^(sd|vd|nvme|kvm|mem|kmsg|fuse)' && echo ESCAPED",
}

WORK = {
    "pipes": ("echo a | tr a b", "b"),
    "files": ("echo x > made && mkdir -p d/e && mv made d/e/ && cat d/e/made", "x"),
    "temporary files": ("f=$(mktemp) && echo t > $f && cat $f", "t"),
    "here-documents and process substitution": ("cat <(echo s) <<< h", "s"),
    "background jobs": ("sleep 0 & wait; echo w", "w"),
    "threads": ('perl -e \'use Config; print $Config{useithreads} ? "t" : "t"\'', "t"),
    "pairs of sockets": ("perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) and print \"p\"'", "p"),
    "python": (
        '{python} -c \'import threading, subprocess; print(subprocess.run(["echo", "y"], '
        "capture_output=True, text=True).stdout)'",
        "y",
    ),
    "the history of git": ("git log --format=%s", "first"),
    "its state": ("git status --short --untracked-files=no && echo clean", "clean"),
}


class Place:
    """A workspace that any user can work in, beside what must stay out of reach."""

    def __init__(self, folder: Path, *, owner: int) -> None:
        self.outside = folder / "outside"
        self.home = folder / "home"
        self.root = folder / "work"
        (self.home / ".ssh").mkdir(parents=True)
        (self.home / ".ssh" / "id_rsa").write_text(SECRET)
        self.outside.mkdir()
        (self.outside / "secret").write_text(SECRET)
        os.utime(self.outside / "secret", (1e9, 1e9))
        self.root.mkdir()
        (self.root / ".env").write_text(SECRET)
        (self.root / "vtcode.toml").write_text("# ours\n")
        os.system(
            f"cd {self.root} && git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first"
        )
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, owner, owner)

    def state(self) -> dict[str, object]:
        """Tell what nobody may change."""
        outside = {str(path): path.stat().st_mode for top in (self.outside, self.home) for path in top.rglob("*")}
        kept = [(self.outside / "secret").stat().st_mtime, (self.root / "vtcode.toml").read_text()]
        git = sorted(path.name for path in (self.root / ".git" / "hooks").glob("*") if path.suffix != ".sample")
        return {"outside": outside, "kept": kept, "git": git, "config": (self.root / ".git" / "config").read_text()}


def as_user(user: int, work: Callable[[], Any]) -> Any:
    """Do something in a process of this user, and return what came of it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            if user != os.getuid():
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            with open(writing, "wb") as file:
                pickle.dump(work(), file)
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as file:
        data = file.read()
    assert os.waitpid(pid, 0)[1] == 0, "the process failed; what it printed says why"
    return pickle.loads(data)


def outputs(place: Place, commands: list[str], level: Level = Level.BUBBLEWRAP) -> list[str]:
    """Run each command boxed, as the tools do."""
    environ = {"HOME": str(place.home), "PATH": os.environ["PATH"], "LMSTUDIO_API_KEY": SECRET}

    async def run() -> list[str]:
        said: list[str] = []
        for command in commands:
            output = bytearray()
            launched = launch(command, place.root, level, environ)
            await run_launched(launched, place.root, 20, output.extend)
            said.append(output.decode("utf-8", "replace"))
        return said

    return asyncio.run(run())


@pytest.fixture(params=[0, NOBODY], ids=["superuser", "user"])
def user(request: pytest.FixtureRequest) -> int:
    if os.getuid() != 0:
        # Only the superuser can become another; a normal user runs the battery as what it is.
        return os.getuid()
    return request.param


@pytest.fixture
def place(user: int) -> Iterator[Place]:
    # Not pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="vtcode-box-")).resolve()
    try:
        yield Place(folder, owner=user)
    finally:
        shutil.rmtree(folder)


def test_no_way_out_of_the_box(place: Place, user: int) -> None:
    before = place.state()
    with (
        socket.create_server(("0.0.0.0", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
        open(place.outside / "secret", "rb") as held,
    ):
        os.set_inheritable(held.fileno(), True)
        abstract.bind(f"\0vtcode-{os.getpid()}")
        abstract.listen()
        values = {
            "outside": place.outside,
            "home": place.home,
            "port": listener.getsockname()[1],
            "abstract": f"vtcode-{os.getpid()}",
            "pid": os.getpid(),
        }
        commands: list[str] = []
        for command in ESCAPES.values():
            for name, value in values.items():
                command = command.replace(f"{{{name}}}", str(value))
            commands.append(command)
        said = as_user(user, lambda: outputs(place, commands))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    escaped = [name for name, text in zip(ESCAPES, said, strict=True) if "ESCAPED" in text or SECRET in text]
    assert escaped == []
    assert place.state() == before


def test_work_goes_on_in_the_box(place: Place, user: int) -> None:
    python = sys.executable if user == os.getuid() else shutil.which("python3", path="/usr/bin") or "false"
    works = {name: (command.replace("{python}", python), word) for name, (command, word) in WORK.items()}
    if python == "false":
        del works["python"]
    said = as_user(user, lambda: outputs(place, [command for command, _ in works.values()]))
    failed = {name: text for (name, (_, word)), text in zip(works.items(), said, strict=True) if word not in text}
    assert failed == {}


def test_the_box_is_the_level_of_either_user(user: int, place: Place) -> None:
    assert as_user(user, lambda: detect({"HOME": str(place.home)}).value) == "bubblewrap"


@pytest.mark.parametrize(
    ("command", "excess"),
    [
        ("for i in $(seq 3000); do sleep 30 & done; wait", "more than 100 processes"),
        ("perl -e '$x = \"x\" x (600 << 20); sleep 30'", "more than 0.2 GiB of memory"),
        ("head -c 600M /dev/zero | tail", "more than 0.2 GiB of memory"),
    ],
)
def test_a_command_that_takes_too_much_is_ended(place: Place, user: int, command: str, excess: str) -> None:
    def work() -> str:
        launched = msgspec.structs.replace(
            launch(command, place.root, Level.BUBBLEWRAP, {"HOME": str(place.home)}),
            limits=Limits(processes=100, memory=200 << 20),
        )
        try:
            asyncio.run(run_launched(launched, place.root, 30, lambda _: None))
        except Exceeded as reason:
            return str(reason)
        return "ran"

    started = time.monotonic()
    assert as_user(user, work) == excess
    assert time.monotonic() - started < 15
    end = time.monotonic() + 5
    while left := [line for line in command_lines() if str(place.root).encode() in line]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def test_a_command_that_is_cancelled_at_any_moment_leaves_nothing(place: Place, user: int) -> None:
    mark = f"sleep 1000.{os.getpid()}{user}"

    async def cancelled(moment: float) -> None:
        launched = launch(f"{mark} & {mark}", place.root, Level.BUBBLEWRAP, {"HOME": str(place.home)})
        running = asyncio.create_task(run_launched(launched, place.root, 30, lambda _: None))
        await asyncio.sleep(moment)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    async def work() -> None:
        # From before the start to when the command has begun others of its own.
        for moment in range(60):
            await cancelled(moment / 2_000)

    as_user(user, lambda: asyncio.run(work()))
    end = time.monotonic() + 5
    while left := [line for line in command_lines() if mark.encode() in line.replace(b"\0", b" ")]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def test_a_fork_bomb_comes_to_nothing(place: Place, user: int) -> None:
    if user == 0:
        # Nothing but the watch holds the superuser's, which takes a moment in which everything else stands still.
        command = "for i in $(seq 3000); do sleep 30 & done; wait"
    else:
        command = "bomb() { bomb | bomb & }; bomb; sleep 3; echo over"

    def work() -> bool:
        try:
            outputs(place, [command])
        except Exceeded as excess:
            return "processes" in str(excess)
        return True

    started = time.monotonic()
    assert as_user(user, work)
    assert time.monotonic() - started < 15


def test_each_process_has_limits_too(place: Place, user: int) -> None:
    (said,) = as_user(user, lambda: outputs(place, ["ulimit -c; ulimit -n; ulimit -f"]))
    core, files, size = said.split()
    assert core == "0" and int(files) <= 4096 and int(size) <= 8 << 20


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("network", [False, True])
def test_the_filter_is_well_formed(machine: str, network: bool) -> None:
    program = seccomp.build(network=network, machine=machine)
    assert len(program) % 8 == 0 and len(program) // 8 < 4096
    instructions = [msgspec.json.decode(msgspec.json.encode(list(part))) for part in _decoded(program)]
    # Every jump lands inside, and the last instruction returns.
    for at, (code, true, false, _) in enumerate(instructions):
        if code & 0x07 == 0x05:
            assert at + 1 + max(true, false) < len(instructions)
    assert instructions[-1] == [0x06, 0, 0, 0x7FFF0000]


def test_an_unknown_machine_has_no_filter_and_so_no_box() -> None:
    assert seccomp.build(network=False, machine="vax") == b""


def _decoded(program: bytes) -> list[tuple[int, ...]]:
    import struct

    return list(struct.iter_unpack("<HBBI", program))


def command_lines() -> list[bytes]:
    lines: list[bytes] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return lines
