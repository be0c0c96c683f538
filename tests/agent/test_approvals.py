"""What is approved for longer than once, and the log of decisions."""

import json
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import msgspec
import pexpect
import pytest

from tests.agent.support import Bench, bench, call, results, says
from tests.agent.test_interactive import terminal
from tests.support.processes import clean_environment, run
from vtcode.approvals import Approvals, Subject
from vtcode.approver import Answer
from vtcode.audit import MOST_BYTES, Audit, entries

TOUCH = call("run_terminal_cmd", command="echo x >> made")
SUBJECT = Subject(tool="run_terminal_cmd", text="ls", arguments='{"command":"ls"}', workspace="/w", sandbox="box")


def state(b: Bench) -> Path:
    return b.home / ".local" / "state" / "vtcode"


def log(b: Bench) -> list[dict[str, Any]]:
    shown = run(["vtcode", "approvals", "log", "--json"], b.environment, cwd=b.workspace)
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def listed(b: Bench) -> list[dict[str, Any]]:
    return json.loads(run(["vtcode", "approvals", "list", "--json"], b.environment, cwd=b.workspace).stdout)


def test_always_holds_for_later_runs_until_it_is_revoked(home: Path) -> None:
    with bench(home, TOUCH, says("One.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("Allow it")
            t.sendline("a")
            t.expect("One.")
            t.expect(pexpect.EOF)
        assert b.exec("again").returncode == 0
        assert (b.workspace / "made").read_text() == "x\nx\n"
        (kept,) = listed(b)
        assert kept["subject"]["text"] == "echo x >> made" and kept["subject"]["workspace"] == str(b.workspace)
        file = state(b) / "approvals.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        revoked = run(["vtcode", "approvals", "revoke", kept["id"][:6]], b.environment, cwd=b.workspace)
        assert revoked.returncode == 0 and "Revoked 1 of 1" in revoked.stderr
        assert b.exec("and again").returncode == 3
        assert (b.workspace / "made").read_text() == "x\nx\n"
        answers = [(line["decision"], line["answer"]) for line in log(b) if line["tool"] == "run_terminal_cmd"]
        assert answers == [("asked", ""), ("approved", "always"), ("allowed", ""), ("asked", ""), ("refused", "no")]


def test_another_byte_another_folder_and_another_setting_are_asked_about(home: Path) -> None:
    others = [call("run_terminal_cmd", command="echo x >> made "), call("run_terminal_cmd", command="echo x>> made")]
    slow = call("run_terminal_cmd", command="echo x >> made", timeout=5)
    with bench(home, TOUCH, *others, slow, says("Done.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("Allow it")
            t.sendline("always")
            for _ in range(3):
                t.expect("Allow it")
                t.sendline("n")
            t.expect(pexpect.EOF)
        events, _ = b.events("go")
        assert [result["status"] for result in results(events)] == ["ok", "denied", "denied", "denied"]
        (home / "else").mkdir()
        for place, more in ((home / "else", ()), (b.workspace, ("-c", "sandbox.network=on"))):
            ended = run(["vtcode", "exec", "--json", "go", *more], b.environment, cwd=place)
            assert [json.loads(line) for line in ended.stdout.splitlines()][-1]["denied"] == ["run_terminal_cmd"] * 4
        assert (b.workspace / "made").read_text() == "x\nx\n" and not (home / "else" / "made").exists()


def test_a_session_approval_ends_with_the_program(home: Path) -> None:
    with bench(home, TOUCH, TOUCH, says("Done.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("Allow it")
            t.sendline("s")
            t.expect("Done.")
            t.expect(pexpect.EOF)
        assert (b.workspace / "made").read_text() == "x\nx\n"
        assert b.exec("again").returncode == 3 and listed(b) == []


def test_words_are_a_no_that_the_model_reads(home: Path) -> None:
    with bench(home, TOUCH, says("I see.")) as b, terminal(b, "exec", "--json", "go") as t:
        t.expect("Allow it")
        t.sendline("use a file named other")
        t.expect("The user says: use a file named other")
        t.expect(pexpect.EOF)
        assert not (b.workspace / "made").exists()


def test_a_deny_and_a_reason_to_ask_are_not_covered(home: Path) -> None:
    hidden = call("run_terminal_cmd", command="echo x\u200b >> made")
    with bench(home, TOUCH, hidden, says("One.")) as b:
        with terminal(b, "exec", "go") as t:
            t.expect("Allow it")
            t.sendline("a")
            t.expect("Allow it.*instead")
            assert "always" not in str(t.after)
            t.sendline("a")
            t.expect("That is no answer here")
            t.expect("Allow it")
            t.sendline("")
            t.expect(pexpect.EOF)
        assert b.exec("go", "-c", 'commands.deny_list=["echo"]').returncode == 3
        assert (b.workspace / "made").read_text() == "x\n"


def test_an_edit_is_approved_once_only(home: Path) -> None:
    write = call("write_file", path="new.txt", content="a\n")
    with bench(home, write, says("ok")) as b, terminal(b, "exec", "go") as t:
        t.expect("Allow it.*model shall do instead")
        assert "session" not in str(t.after)
        t.sendline("y")
        t.expect(pexpect.EOF)
        assert (b.workspace / "new.txt").exists()


def test_a_decision_is_in_the_log_with_its_rule(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="cat ../audit; true"), says("ok")) as b:
        assert b.exec("go", "--full-auto").returncode == 0
        file = state(b) / "audit.jsonl"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        (line,) = log(b)
        assert line["decision"] == "allowed" and line["rule"].startswith("full-auto")
        assert line["text"] == "cat ../audit; true" and line["session"] and line["workspace"] == str(b.workspace)


def test_a_log_that_cannot_be_written_is_told_and_the_work_goes_on(home: Path) -> None:
    look = call("list_files")
    with bench(home, look, look, says("ok")) as b:
        (state(b) / "audit.jsonl").mkdir(parents=True)
        ended = b.exec("go")
        assert ended.returncode == 0 and ended.stderr.count("Decisions are not logged") == 1


def test_a_call_that_never_ends_is_in_the_log_already(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="sleep 60"), says("ok")) as b:
        with terminal(b, "exec", "--full-auto", "go") as t:
            t.expect("sleep 60")
            for _ in range(100):
                if any(line["text"] == "sleep 60" for line in log(b)):
                    break
                time.sleep(0.1)
            t.kill(signal.SIGKILL)
            t.expect(pexpect.EOF)
        assert [line["decision"] for line in log(b)] == ["allowed"]


def test_the_log_stays_small_and_its_lines_whole(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "state" / "audit.jsonl", "/w", secret="sk-secret-key")
    wide = msgspec.structs.replace(SUBJECT, text="sk-secret-key \x1b[2J \u202e" + "é" * 5_000)
    for _ in range(1_000):
        assert audit.record(wide, "denied", "rule") is None
    files = list((tmp_path / "state").iterdir())
    assert 1 < len(files) <= 5 and all(file.stat().st_size <= MOST_BYTES + 20_000 for file in files)
    every = list(entries(tmp_path / "state" / "audit.jsonl"))
    assert len(every) == 1_000 and every[0].text.startswith("[key] \x1b[2J")
    assert b"sk-secret" not in files[0].read_bytes() and b"\x1b" not in files[0].read_bytes()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff" * 100, b'{"approved": {"x": 1}}', b"[" * 100_000])
def test_a_damaged_file_approves_nothing_and_is_mended_by_the_next_approval(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "approvals.json"
    path.write_bytes(content)
    approvals = Approvals(path)
    assert approvals.covers(SUBJECT) is None and approvals.all() == {}
    approvals.keep(SUBJECT, Answer.ALWAYS)
    assert Approvals(path).covers(SUBJECT) is Answer.ALWAYS


def test_a_file_that_others_can_write_approves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "approvals.json"
    Approvals(path).keep(SUBJECT, Answer.ALWAYS)
    os.chmod(path, 0o666)
    assert Approvals(path).covers(SUBJECT) is None


def test_an_entry_that_stands_under_another_digest_approves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "approvals.json"
    Approvals(path).keep(SUBJECT, Answer.ALWAYS)
    other = msgspec.structs.replace(SUBJECT, text="rm -rf .")
    path.write_text(path.read_text().replace(SUBJECT.digest, other.digest))
    assert Approvals(path).covers(other) is None


def test_a_revocation_reaches_a_running_program(tmp_path: Path) -> None:
    path = tmp_path / "approvals.json"
    running = Approvals(path)
    running.keep(SUBJECT, Answer.ALWAYS)
    assert running.covers(SUBJECT) is Answer.ALWAYS
    Approvals(path).revoke({SUBJECT.digest})
    assert running.covers(SUBJECT) is None


@pytest.mark.parametrize("arguments", [("revoke",), ("revoke", "ffff"), ("revoke", ""), ("log", "-n", "0")])
def test_what_cannot_be_meant_is_refused(home: Path, arguments: tuple[str, ...]) -> None:
    assert run(["vtcode", "approvals", *arguments], clean_environment(home), cwd=home).returncode == 2
