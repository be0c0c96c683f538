"""The plain prompt (`vtcode --plain`), in a real terminal (a pty), and the approval questions of `vtcode exec`."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect

from tests.agent.support import Bench, bench, call, says
from tests.support.processes import BIN


@contextmanager
def terminal(b: Bench, *arguments: str) -> Iterator["pexpect.spawn[str]"]:
    process = pexpect.spawn(
        str(BIN / "vtcode"),
        list(arguments),
        env={**b.environment, "TERM": "xterm"},
        cwd=str(b.workspace),
        encoding="utf-8",
        timeout=20,
        dimensions=(24, 100),
    )
    try:
        yield process
    finally:
        process.close(force=True)


def test_a_conversation_goes_on_over_several_turns(home: Path) -> None:
    with bench(home, says("First."), says("Second.")) as b, terminal(b, "--plain") as t:
        t.expect("Ctrl-D")
        t.sendline("one")
        t.expect("First.")
        t.expect("done")
        t.sendline("two")
        t.expect("Second.")
        t.expect("done")
        # The line editor has to be up: the terminal itself would take Ctrl-D for the end of an empty line.
        t.expect(r"\?2004h")
        t.sendeof()
        t.expect(pexpect.EOF)
        t.wait()
        assert t.exitstatus == 0


def test_a_command_that_does_not_exist_is_told_and_never_sent(home: Path) -> None:
    with bench(home, says("First."), says("Second.")) as b, terminal(b, "--plain") as t:
        t.expect("Ctrl-D")
        t.sendline("/exti")
        t.expect("There is no command /exti")
        t.sendline("/etc/hosts is what?")
        t.expect("First.")


def test_an_approval_shows_the_whole_command_and_yes_runs_it(home: Path) -> None:
    command = "echo " + "x" * 300 + " && touch made"
    with bench(home, call("run_terminal_cmd", command=command), says("Ran it.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("Allow it")
            shown = str(t.before).replace("\r", "").replace("\n", "")
            assert "touch made" in shown
            time.sleep(0.5)
            t.sendline("y")
            t.expect("Ran it.")
            t.expect(pexpect.EOF)
            t.wait()
            assert t.exitstatus == 0
        assert (b.workspace / "made").exists()


def test_enter_alone_refuses(home: Path) -> None:
    with bench(home, call("write_file", path="made", content="x"), says("As you wish.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("Allow it")
            time.sleep(0.5)
            t.sendline("")
            t.expect("As you wish.")
            t.expect(pexpect.EOF)
            t.wait()
            assert t.exitstatus == 3
        assert not (b.workspace / "made").exists()


def test_what_was_typed_ahead_answers_no_question(home: Path) -> None:
    slow = call("write_file", path="made", content="x") | {"text": "I write.", "delay": 0.5}
    with bench(home, slow, says("Finished.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("scripted at")
            t.sendline("y")
            t.expect("Allow it")
            time.sleep(1)
            assert not (b.workspace / "made").exists()
            t.sendline("n")
            t.expect("Finished.")
        assert not (b.workspace / "made").exists()


def test_an_approval_escapes_what_could_hide_the_command(home: Path) -> None:
    hostile = "echo ok\x1b[2K\rrm -rf important \u202e"
    with (
        bench(home, call("run_terminal_cmd", command=hostile), says("ok")) as b,
        terminal(b, "exec", "go") as t,
    ):
        t.expect("Allow it")
        assert "\x1b[2K" not in str(t.before) and "\u202e" not in str(t.before)
        assert "rm -rf important" in str(t.before)
        t.sendline("n")
        t.expect(pexpect.EOF)


def test_ctrl_c_interrupts_the_turn_and_not_the_session(home: Path) -> None:
    slow = {"text": "word " * 200, "delay": 0.1}
    with bench(home, slow, says("Here again.")) as b, terminal(b, "--plain") as t:
        t.expect("Ctrl-D")
        t.sendline("talk")
        t.expect("word word")
        t.sendintr()
        t.expect("Interrupted")
        t.sendline("still there?")
        t.expect("Here again.")
        t.expect("done")
        t.sendline("/exit")
        t.expect(pexpect.EOF)
        t.wait()
        assert t.exitstatus == 0


def test_no_color_is_honoured(home: Path) -> None:
    with bench(home, says("plain")) as b, terminal(b, "exec", "go") as t:
        t.expect(pexpect.EOF)
        assert "\x1b[3" not in str(t.before)


def test_sigterm_ends_the_session_in_the_middle_of_a_turn(home: Path) -> None:
    with bench(home, {"text": "word " * 200, "delay": 0.1}) as b, terminal(b, "--plain") as t:
        t.expect("Ctrl-D")
        t.sendline("talk")
        t.expect("word word")
        t.kill(signal.SIGTERM)
        t.expect(pexpect.EOF)
        t.wait()
        assert t.exitstatus == 143


def test_a_quiet_run_still_shows_what_it_asks_about(home: Path) -> None:
    with (
        bench(home, call("run_terminal_cmd", command="touch made"), says("ok")) as b,
        terminal(b, "exec", "-q", "go") as t,
    ):
        t.expect("Allow it")
        assert "touch made" in str(t.before)
        t.sendline("n")
        t.expect(pexpect.EOF)
