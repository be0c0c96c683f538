"""What whole runs do where bubblewrap is missing or does not box, and where Landlock is missing too."""

import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.agent.support import Bench, bench, call, says
from tests.agent.test_box import command_lines
from tests.support.processes import BIN

LANDLOCK_CREATE_RULESET = 444
PLAN = '[tools.policies]\nrun_terminal_cmd = "{}"\n'
LINE = "echo x > made; touch {outside}; echo ran"


def run_without(b: Bench, fake: str | None, *flags: str, landlock: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `vtcode exec` on a machine whose bubblewrap is `fake`, a script, or is no program where that is None."""
    stands = b.home / "bwrap"
    stands.write_text(f"#!/bin/bash\n{fake}\n" if fake is not None else "")
    stands.chmod(0o755 if fake is not None else 0o644)
    words = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(stands), "/usr/bin/bwrap"]
    # Answers as a kernel without Landlock: no such call.
    refuse = [(0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET), (0x06, 0, 0, 0x50026), (0x06, 0, 0, 0x7FFF0000)]
    handle = os.memfd_create("filter")
    try:
        os.write(handle, b"".join(struct.pack("<HBBI", *each) for each in refuse))
        os.lseek(handle, 0, os.SEEK_SET)
        if not landlock:
            words += ["--seccomp", str(handle)]
        return subprocess.run(
            [*words, "--", str(BIN / "vtcode"), "exec", *flags, "go"],
            env=b.environment,
            cwd=b.workspace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            pass_fds=(handle,),
        )
    finally:
        os.close(handle)


def planned(b: Bench, policy: str) -> Path:
    folder = b.home / ".config" / "vtcode"
    folder.mkdir(parents=True)
    (folder / "vtcode.toml").write_text(PLAN.format(policy))
    return b.home / "outside"


BROKEN = {
    "missing": (None, "bubblewrap is not installed"),
    "fails": ("exit 1", "fails its self-test (exit status 1)"),
    "blocked": ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "No permissions to create new"),
    "crashes": ("kill -SEGV $$", "exit status -11"),
    "hangs": ("sleep 61.25 & wait", "did not end its self-test within 2 s"),
    "floods": ("exec yes >&2", "self-test"),
    "boxes nothing": ('while [ "$1" != -- ]; do shift; done; shift; exec "$@"', "fails its self-test"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("landlock", [True, False], ids=["landlock", "none"])
def test_nothing_runs_unasked_that_a_broken_bubblewrap_would_have_boxed(home: Path, how: str, landlock: bool) -> None:
    fake, reason = BROKEN[how]
    outside = home / "outside"
    with bench(home, call("run_terminal_cmd", command=LINE.format(outside=outside)), says("ok")) as b:
        planned(b, "allow")
        ended = run_without(b, fake, landlock=landlock)
        assert ended.returncode == 3, ended.stderr
        assert ended.stderr.count(reason) == 1, ended.stderr
        assert not (b.workspace / "made").exists() and not outside.exists()
    assert b"sleep\x0061.25\x00" not in command_lines()


def test_with_the_explicit_word_the_weaker_level_is_taken(home: Path) -> None:
    outside = home / "outside"
    with bench(home, call("run_terminal_cmd", command=LINE.format(outside=outside)), says("ok")) as b:
        planned(b, "allow")
        ended = run_without(b, "exit 1", "--sandbox", "any")
        assert ended.returncode == 0, ended.stderr
        assert (b.workspace / "made").exists() and not outside.exists(), "Landlock holds the rest"


def test_the_explicit_word_makes_no_deny_an_allow(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="touch made"), says("ok")) as b:
        planned(b, "deny")
        for mode in ("any", "off"):
            ended = run_without(b, "exit 1", "--sandbox", mode, "--full-auto", landlock=False)
            assert ended.returncode == 3, ended.stderr
        assert not (b.workspace / "made").exists()
