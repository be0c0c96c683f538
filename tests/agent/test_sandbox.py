"""What a boxed command can reach: shown by effects, never by messages."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from tests.agent.tools import Toolbox
from vtcode.sandbox import Launch, Level, detect, launch
from vtcode.sandbox.bubblewrap import fault, find_program
from vtcode.settings import SandboxSettings

SECRET = "canary-7d1f"


class Box:
    """A workspace beside things that must stay out of reach."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder
        self.home = folder / "home"
        self.root = folder / "work"
        for made in (self.home / ".ssh", self.root):
            made.mkdir(parents=True)
        (self.home / ".ssh" / "id_rsa").write_text(SECRET)
        self.environ = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LMSTUDIO_API_KEY": SECRET,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def launch(self, command: str, level: Level = Level.BUBBLEWRAP) -> Launch:
        return launch(command, self.root, level, self.environ)

    def run(self, command: str, level: Level = Level.BUBBLEWRAP) -> subprocess.CompletedProcess[str]:
        launched = self.launch(command, level)
        return subprocess.run(
            launched.argv,
            env=launched.env,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    # Below a folder of /tmp, which the box hides: the workspace has to show through.
    return Box(tmp_path.resolve())


def test_the_strongest_level_works_here() -> None:
    expected = Level.BUBBLEWRAP if sys.platform == "linux" else Level.NONE
    assert detect(os.environ) is expected, "on Linux, install bubblewrap (apt install bubblewrap)"


def test_a_program_that_does_not_box_fails_the_self_test(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n')
    fake.chmod(0o755)
    assert fault(str(fake), Path.home()) is not None
    fake_sleeper = tmp_path / "sleeper"
    fake_sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    fake_sleeper.chmod(0o755)
    started = time.monotonic()
    assert fault(str(fake_sleeper), Path.home()) is not None
    assert time.monotonic() - started < 4


def test_a_bubblewrap_of_the_workspace_is_never_used(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    (box.root / "bwrap").write_text("#!/bin/sh\n")
    (box.root / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{box.root}:{os.environ['PATH']}")
    monkeypatch.chdir(box.root)
    program = find_program()
    assert program is not None and program.startswith("/usr/")


# The workspace ------------------------------------------------------------------------------------------


def test_the_workspace_is_writable_and_the_working_folder(box: Box) -> None:
    ended = box.run("pwd; mkdir a; echo x > a/b; rm a/b")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{box.root}\n", "")
    assert (box.root / "a").is_dir() and not (box.root / "a" / "b").exists()


@pytest.mark.parametrize("name", ["two\nlines", "--bind", "-dash", "a b", "a:b", "*", "$(touch made)", "ü"])
def test_odd_names_of_workspaces_work(tmp_path: Path, name: str) -> None:
    odd = Box(tmp_path.resolve() / name)
    assert odd.run("echo x > made").returncode == 0
    assert (odd.root / "made").exists()


@pytest.mark.parametrize("place", ["home", "home/projects/one", "."])
def test_a_workspace_in_around_or_at_the_home_works_and_the_rest_of_the_home_is_hidden(box: Box, place: str) -> None:
    box.root = (box.outside / place).resolve()
    box.root.mkdir(parents=True, exist_ok=True)
    ended = box.run(f"echo x > made; cat {box.home}/.ssh/id_rsa; ls -A $HOME")
    assert (box.root / "made").exists()
    assert SECRET not in ended.stdout and "id_rsa" not in ended.stdout


def test_with_the_root_folder_as_workspace_nothing_is_writable(box: Box) -> None:
    mark = Path("/vtcode-test-made")
    launched = launch(f"echo x > {mark}; echo y > /usr{mark}; echo ran", Path("/"), Level.BUBBLEWRAP, box.environ)
    ended = subprocess.run(launched.argv, env=launched.env, capture_output=True, text=True, check=False)
    assert ended.stdout == "ran\n"
    assert not mark.exists() and not Path(f"/usr{mark}").exists()


# Protected places ---------------------------------------------------------------------------------------


@pytest.fixture
def repository(box: Box) -> Box:
    for name in (".git/hooks/sample", "vtcode.toml", ".vtcode/x", ".envrc", ".vscode/tasks.json", "lib/.git/config"):
        path = box.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    return box


@pytest.mark.parametrize(
    "command",
    [
        "echo x > vtcode.toml",
        "mv vtcode.toml other; echo x > vtcode.toml",
        "rm -rf .git .vtcode .vscode vtcode.toml .envrc lib/.git",
        "mv .git .g && mkdir -p .git/hooks && echo x > .git/hooks/sample",
        "echo x >> .git/hooks/sample",
        "echo x > lib/.git/config",
        "ln -f vtcode.toml alias && echo x > alias",
        "umount vtcode.toml; umount -l .git; echo x > vtcode.toml",
        "mount -o remount,rw,bind .git; echo x > .git/hooks/sample",
        "unshare -Urm sh -c 'umount -l .git; echo x > .git/hooks/sample'",
        "chmod 777 vtcode.toml; touch -d 2001-01-01 vtcode.toml",
        "echo x > /proc/self/root$PWD/vtcode.toml; echo x > /proc/1/root$PWD/vtcode.toml",
    ],
)
def test_what_steers_later_runs_stays_as_it_is(repository: Box, command: str) -> None:
    def state() -> dict[str, tuple[str, int, float]]:
        return {
            str(path): (path.read_text(), path.stat().st_mode, path.stat().st_mtime)
            for path in sorted(repository.root.rglob("*"))
            if path.is_file() and path.name != "alias"
        }

    before = state()
    repository.run(command)
    assert state() == before


def test_the_store_that_a_git_file_names_is_protected_too(box: Box) -> None:
    (box.root / "store" / "hooks").mkdir(parents=True)
    (box.root / ".git").write_text("gitdir: store\n")
    box.run("echo x > store/hooks/made; mv store s; mkdir -p store/hooks; echo x > store/hooks/made")
    assert not (box.root / "store" / "hooks" / "made").exists()


def test_keys_in_the_workspace_are_hidden(box: Box) -> None:
    (box.root / ".env").write_text(SECRET)
    (box.root / ".aws").mkdir()
    (box.root / ".aws" / "credentials").write_text(SECRET)
    ended = box.run("cat .env .aws/credentials; mv .env e; cat e; ls -A .aws")
    assert SECRET not in ended.stdout and "credentials" not in ended.stdout


# The rest of the machine --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["{outside}/made", "{home}/made", "/etc/vtcode-test-made", "/var/tmp/vtcode-test-made"]
)
@pytest.mark.parametrize(
    "command",
    [
        "echo x > {target}",
        "mount -o remount,rw,bind /; echo x > {target}",
        "unshare -Urm sh -c 'mount -o remount,rw,bind /; echo x > {target}'",
        "umount -l /tmp; umount -l /; echo x > {target}",
        "echo x > /proc/1/root{target}",
    ],
)
def test_nothing_is_written_outside(box: Box, target: str, command: str) -> None:
    place = target.format(outside=box.outside, home=box.home)
    box.run(command.format(target=place))
    assert not Path(place).exists()


def test_the_kernels_settings_are_read_only(box: Box) -> None:
    ended = box.run(
        "find /proc/sys /sys /proc/sysrq-trigger -type f -writable 2>/dev/null | head; "
        "[ -w /proc/sys/kernel/core_pattern ] && echo writable; echo looked"
    )
    assert ended.stdout == "looked\n"


def test_a_command_has_no_capabilities_and_gets_none(box: Box) -> None:
    capabilities = box.run("grep -E '^Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f 2 | sort -u")
    assert capabilities.stdout == "0000000000000000\n"
    assert box.run("unshare --user echo made").stdout == ""


def test_homes_and_running_programs_are_hidden(box: Box) -> None:
    ended = box.run("ls -A /home /root /run $HOME /tmp; cat ~/.ssh/id_rsa; touch ~/private && echo private")
    assert SECRET not in ended.stdout and ".ssh" not in ended.stdout
    assert "private" in ended.stdout.splitlines()
    assert not (box.home / "private").exists()


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.SEATBELT])
def test_no_key_is_anywhere_in_the_environment(box: Box, level: Level) -> None:
    ended = box.run("env; cat /proc/self/environ /proc/1/environ; declare -p", level)
    assert SECRET not in ended.stdout
    assert set(box.launch("true", level).env) == {
        *("PATH", "HOME", "LANG", "TERM", "PAGER", "GIT_PAGER", "GIT_TERMINAL_PROMPT")
    }


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def test_there_is_no_network(box: Box, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    ended = box.run(f"echo x > /dev/tcp/127.0.0.1/{port} && echo connected; getent hosts example.com")
    assert ended.stdout == ""
    with pytest.raises(TimeoutError):
        listener.accept()


def test_with_the_network_on_a_command_reaches_it_and_nothing_else_is_opened(
    box: Box, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    command = (
        f"echo x > /dev/tcp/127.0.0.1/{port} && echo connected; cat $HOME/.ssh/id_rsa; echo x > {box.outside}/made"
    )
    launched = launch(command, box.root, Level.BUBBLEWRAP, box.environ, network=True)
    ended = subprocess.run(
        launched.argv, env=launched.env, cwd=box.root, capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.stdout == "connected\n"
    assert not (box.outside / "made").exists()
    listener.accept()[0].close()


def test_names_of_hosts_can_be_resolved_where_the_network_is_on(box: Box) -> None:
    launched = launch("cat /etc/resolv.conf", box.root, Level.BUBBLEWRAP, box.environ, network=True)
    ended = subprocess.run(launched.argv, env=launched.env, cwd=box.root, capture_output=True, check=False)
    assert ended.stdout == Path("/etc/resolv.conf").read_bytes()


def test_processes_outside_are_neither_seen_nor_reached(box: Box) -> None:
    ended = box.run(f"kill -0 {os.getpid()} && echo reached; kill -9 -1; ls /proc | grep -c '^[0-9]'")
    assert "reached" not in ended.stdout
    seen = box.run("ls -d /proc/[0-9]* | wc -l")
    assert int(seen.stdout) < 8


def test_what_a_command_leaves_running_ends_with_it(box: Box) -> None:
    box.run("setsid nohup sleep 2222.5 >/dev/null 2>&1 & (setsid sleep 2222.5 &); sleep 0.1")
    time.sleep(0.2)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"2222.5" in line for line in lines)


# [sandbox] ----------------------------------------------------------------------------------------------


def tools_at(box: Box, level: Level, mode: Literal["auto", "required", "any", "off"]) -> Toolbox:
    tools = Toolbox(box.root)
    tools.context = msgspec.structs.replace(tools.context, level=level, sandbox=SandboxSettings(mode=mode))
    return tools


@pytest.mark.parametrize(
    ("mode", "level", "runs", "asks"),
    [
        ("auto", Level.BUBBLEWRAP, True, False),
        ("auto", Level.NONE, True, True),
        ("required", Level.BUBBLEWRAP, True, False),
        ("required", Level.NONE, False, False),
        ("auto", Level.LANDLOCK, True, True),
        ("required", Level.LANDLOCK, False, False),
        ("any", Level.LANDLOCK, True, False),
        ("any", Level.NONE, True, False),
        ("off", Level.BUBBLEWRAP, True, False),
        ("off", Level.NONE, True, False),
    ],
)
def test_where_no_box_works_a_command_is_asked_or_refused_as_the_mode_says(
    box: Box, mode: Literal["auto", "required", "any", "off"], level: Level, runs: bool, asks: bool
) -> None:
    tools = tools_at(box, level, mode)
    assert (tools.sensitive("run_terminal_cmd", command="echo ran") is not None) == asks
    outcome = tools.run("run_terminal_cmd", command="echo ran")
    assert outcome.ok == runs
    assert runs or 'mode = "required"' in outcome.text


def test_with_the_sandbox_off_a_command_runs_outside_of_any(box: Box) -> None:
    tools_at(box, Level.BUBBLEWRAP, "auto").run("run_terminal_cmd", command=f"echo x > {box.outside}/boxed")
    tools_at(box, Level.BUBBLEWRAP, "off").run("run_terminal_cmd", command=f"echo x > {box.outside}/unboxed")
    assert not (box.outside / "boxed").exists() and (box.outside / "unboxed").exists()


# Programs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.SEATBELT])
def test_no_start_up_file_is_read(box: Box, level: Level) -> None:
    for name in (".bashrc", ".bash_profile", ".profile", ".inputrc", "env"):
        for folder in (box.home, box.root):
            (folder / name).write_text("echo planted\n")
    box.environ |= {"BASH_ENV": str(box.root / "env"), "ENV": str(box.root / "env")}
    assert box.run("echo ran", level).stdout == "ran\n"


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.SEATBELT])
def test_programs_of_the_workspace_do_not_stand_in_for_the_systems(box: Box, level: Level) -> None:
    for folder in (box.root, box.root / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "ls").write_text("#!/bin/sh\necho planted\n")
        (folder / "ls").chmod(0o755)
    box.environ["PATH"] = f".:{box.root}:bin:{box.root}/bin::{box.environ['PATH']}"
    assert "planted" not in box.run("ls", level).stdout


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.SEATBELT])
@pytest.mark.parametrize("place", ["work/.venv", "home/venvs/one"])
def test_the_active_virtual_environment_is_usable(box: Box, place: str, level: Level) -> None:
    folder = box.outside / place
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("")
    (folder / "bin" / "tool").write_text("#!/bin/sh\necho tool\n")
    (folder / "bin" / "tool").chmod(0o755)
    box.environ |= {"VIRTUAL_ENV": str(folder), "PATH": f"{folder}/bin:{box.environ['PATH']}"}
    assert box.run("tool", level).stdout == "tool\n"


def test_toolchains_in_the_home_are_visible_and_read_only(box: Box) -> None:
    tool = box.home / ".cargo" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho tool\n")
    tool.chmod(0o755)
    (box.home / ".cargo" / "credentials.toml").write_text(SECRET)
    box.environ["PATH"] = f"{tool.parent}:{box.environ['PATH']}"
    ended = box.run("tool; echo x > ~/.cargo/bin/tool; cat ~/.cargo/credentials.toml")
    assert ended.stdout == "tool\n"
    assert "tool" in tool.read_text()


def test_the_python_in_use_runs_in_the_box(box: Box) -> None:
    assert box.run(f"{sys.executable} -c 'print(6 * 7)'").stdout == "42\n"
