"""Sessions from outside: kept by every run, gone on with, copied, listed, deleted."""

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pexpect
import pytest

from tests.agent.sessions import folders, log_events, logged, unanswered, vtcode
from tests.agent.support import Bench, bench, call, says
from tests.agent.test_interactive import terminal
from tests.conftest import MODEL
from tests.support.processes import BIN, RunningServer, clean_environment, run
from tests.support.relay import relay
from vtcode.events import Event, check_order
from vtcode.sessions.log import Log

READ = call("read_file", path="a.txt")


def messages(body: bytes) -> list[Any]:
    return json.loads(body)["messages"]


def test_a_resumed_session_begins_with_the_very_bytes_of_its_last_request(home: Path) -> None:
    replies = (
        READ,
        says("It says pear.") | {"reasoning": "So it is."},
        call("grep_file", pattern="pear"),
        says("One."),
    )
    with bench(home, *replies) as b, relay(b.server.url) as passing:
        b.environment["LMSTUDIO_BASE_URL"] = passing.url
        b.write("a.txt", "pear \u00e9 \u2028 \x7f\n")
        b.write("AGENTS.md", "Be short.\n")
        assert b.exec("What does a.txt say? \u00e9").returncode == 0
        before = len(passing.bodies)
        b.write("AGENTS.md", "Something else altogether.\n")
        assert b.exec("And where?", "--continue").returncode == 0
    old, new = passing.bodies[before - 1], passing.bodies[before]
    # All up to the end of the old list of messages.
    start = old.index(b'"messages":')
    end = _end_of_messages(old)
    assert new[start:end] == old[start:end]
    assert json.loads(new)["tools"] == json.loads(old)["tools"]
    assert messages(new)[: len(messages(old))] == messages(old)
    assert "Be short." in messages(new)[0]["content"]


def _end_of_messages(body: bytes) -> int:
    start = body.index(b'"messages":') + len(b'"messages":')
    text = body[start:].decode()
    _, length = json.JSONDecoder().raw_decode(text.lstrip())
    # Without the bracket that closes the list.
    return start + len(text[: length + len(text) - len(text.lstrip()) - 1].encode())


@pytest.mark.parametrize("profile", ["full", "guided"])
def test_the_server_still_has_the_prompt_of_a_resumed_session(
    real_server: RunningServer, home: Path, profile: str
) -> None:
    environment = clean_environment(home, {"LMSTUDIO_BASE_URL": real_server.url})
    work = home / "work"
    work.mkdir()
    (work / "pyproject.toml").write_text('[project]\nname = "orchard"\n')
    (home / "greedy.toml").write_text(f'[agent]\ntemperature = 0.0\nmax_tokens = 24\nprofile = "{profile}"\n')
    command = ["vtcode", "exec", "--json", "--model", MODEL, "--config", str(home / "greedy.toml")]
    first = run([*command, "What is the project name in pyproject.toml?"], environment, cwd=work)
    then = run([*command, "--continue", "Say it again."], environment, cwd=work)
    old, new = (
        [e["message"]["usage"] for e in map(json.loads, ended.stdout.splitlines()) if e["type"] == "message.finished"]
        for ended in (first, then)
    )
    assert old and new, (first.stderr, then.stderr)
    assert new[0]["cached"] >= 0.95 * old[-1]["prompt"]


def test_every_headless_run_is_kept_with_its_calls_and_results(home: Path) -> None:
    with bench(home, READ, says("It says pear.")) as b:
        b.write("a.txt", "pear\n")
        events, ended = b.events("What does a.txt say?")
        assert ended.returncode == 0
        (folder,) = folders(b)
        assert events[0]["session"] == folder.name
        kept = [fact for fact in logged(folder) if fact["type"] not in {"session", "file.kept", "file.left"}]
        assert kept == events[1:]
        header = logged(folder)[0]
        assert header["workspace"] == str(b.workspace) and header["model"] == "scripted"
        assert header["profile"] == "full" and header["provider"] == "lmstudio"
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)}
        assert modes == {0o700} and stat.S_IMODE((folder / "events.jsonl").stat().st_mode) == 0o600


def test_no_session_keeps_nothing(home: Path) -> None:
    with bench(home, READ, says("done")) as b:
        assert b.exec("go", "--no-session").returncode == 0
        assert vtcode(b, "ask", "go").returncode == 0
        assert folders(b) == []


def test_there_is_nothing_to_go_on_with_in_a_new_folder(home: Path) -> None:
    with bench(home, says("done")) as b:
        for flags in (["--continue"], ["--resume", "2026"], ["--resume", "../../etc"], ["--fork"]):
            ended = b.exec("go", *flags)
            assert ended.returncode == 2 and "session" in ended.stderr and "Traceback" not in ended.stderr
        assert vtcode(b, "--resume").returncode == 2
        assert vtcode(b, "rewind").returncode == 2


def test_a_session_is_named_by_any_beginning_that_no_other_has(home: Path) -> None:
    with bench(home, says("one"), says("two"), says("three")) as b:
        b.exec("first task")
        (first,) = folders(b)
        assert "one" in vtcode(b, "sessions", "show", first.name[:8]).stdout
        time.sleep(1.1)
        b.exec("second task")
        first, second = folders(b)
        ended = b.exec("go", "--resume", first.name[:8])
        assert ended.returncode == 2 and first.name in ended.stderr and second.name in ended.stderr
        assert b.exec("go", "--resume", first.name[-6:]).stdout == "two\n"
        assert b.exec("go", "--continue").stdout == "three\n", "the one that was used last"


def test_a_session_of_another_folder_is_not_mixed_up_with_this_one(home: Path) -> None:
    with bench(home, says("one"), says("two")) as b:
        b.exec("go")
        (folder,) = folders(b)
        other = home / "other"
        other.mkdir()
        ended = run(["vtcode", "exec", "--continue", "go"], b.environment, cwd=other)
        assert ended.returncode == 2
        ended = run(["vtcode", "exec", "--resume", folder.name, "go"], b.environment, cwd=other)
        assert ended.returncode == 2 and str(b.workspace) in ended.stderr and "--fork" in ended.stderr
        ended = run(["vtcode", "exec", "--resume", folder.name, "--fork", "go"], b.environment, cwd=other)
        assert ended.returncode == 0 and ended.stdout == "two\n"
        assert run(["vtcode", "exec", "--continue", "go"], b.environment, cwd=other).returncode == 0


def test_a_copy_goes_its_own_way(home: Path) -> None:
    with bench(home, call("write_file", path="a.txt", content="x"), says("one"), says("two"), says("three")) as b:
        b.exec("go", "--full-auto")
        (first,) = folders(b)
        before = (first / "events.jsonl").read_bytes()
        time.sleep(1.1)
        assert b.exec("go", "--continue", "--fork").stdout == "two\n"
        first, copy = folders(b)
        assert (first / "events.jsonl").read_bytes() == before
        assert logged(copy)[0]["forked_from"] == first.name
        assert log_events(copy)[: len(log_events(first))] == log_events(first)


def test_a_session_that_is_open_elsewhere_has_no_second_writer(home: Path) -> None:
    with bench(home, says("one"), says("two")) as b:
        b.exec("go")
        (folder,) = folders(b)
        log = Log.reopen(folder / "events.jsonl")
        try:
            ended = b.exec("go", "--continue")
            assert ended.returncode == 2 and "another vtcode" in ended.stderr and "--fork" in ended.stderr
            assert vtcode(b, "rewind", "--to", "0").returncode == 2
            ended = vtcode(b, "sessions", "delete", folder.name)
            assert ended.returncode == 1 and folder.is_dir()
            assert b.exec("go", "--continue", "--fork").stdout == "two\n"
        finally:
            log.close()
        assert b.exec("go", "--resume", folder.name).stdout == "two\n"


def test_another_model_is_said_and_the_own_one_is_kept_to(home: Path) -> None:
    with bench(home, says("one"), says("two"), says("three")) as b:
        b.exec("go")
        (folder,) = folders(b)
        log = folder / "events.jsonl"
        log.write_text(log.read_text().replace('"model":"scripted"', '"model":"larger"', 1))
        events, ended = b.events("go", "--continue")
        assert ended.returncode == 0
        notices = [event["text"] for event in events if event["type"] == "notice"]
        assert any("larger" in text and "scripted" in text for text in notices)
        check_order([msgspec.convert(event, Event) for event in events])
        assert [fact["model"] for fact in logged(folder) if fact["type"] == "session"] == ["larger", "scripted"]
        events, _ = b.events("go", "--continue")
        assert not [event for event in events if event["type"] == "notice"], "said once"


def test_other_tools_are_said(home: Path) -> None:
    with bench(home, says("one"), says("two")) as b:
        b.exec("go")
        (folder,) = folders(b)
        log = folder / "events.jsonl"
        prefix = logged(folder)[0]["prefix"]
        log.write_text(log.read_text().replace(prefix, "0" * 64))
        ended = b.exec("go", "--continue")
        assert ended.stdout == "two\n" and "tools or instructions" in ended.stderr


def test_sessions_are_listed_by_folder_with_their_first_words(home: Path) -> None:
    with bench(home, says("one"), says("two")) as b:
        b.exec("Tidy \x1b[31m the\n\norchard " + "and more " * 40)
        b.exec("go", "--continue")
        ended = vtcode(b, "sessions", "list")
        (line,) = ended.stdout.splitlines()
        assert "Tidy \\x1b[31m the orchard" in line and "2 turns" in line and len(line) < 160
        (entry,) = json.loads(vtcode(b, "sessions", "list", "--json").stdout)
        assert entry["turns"] == 2 and entry["workspace"] == str(b.workspace)
        other = home / "other"
        other.mkdir()
        assert run(["vtcode", "sessions", "list"], b.environment, cwd=other).stdout == ""
        assert entry["id"] in run(["vtcode", "sessions", "list", "--all"], b.environment, cwd=other).stdout


def test_people_read_times_by_their_own_clock(home: Path) -> None:
    with bench(home, says("one")) as b:
        b.exec("go")
        (folder,) = folders(b)
        b.environment["TZ"] = "UTC-14"
        here = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 14 * 3600))
        for words in (["list"], ["show", folder.name]):
            assert here in vtcode(b, "sessions", *words).stdout.replace(folder.name, "")
        assert here in vtcode(b, "rewind").stdout
        (entry,) = json.loads(vtcode(b, "sessions", "list", "--json").stdout)
        assert entry["used"].endswith("Z")


def test_a_session_is_exported_for_people_and_for_programs(home: Path) -> None:
    with bench(home, READ, says("It says ```pear```.")) as b:
        b.write("a.txt", "a fence:\n```\npear\n")
        b.exec("What does a.txt say?")
        (folder,) = folders(b)
        text = vtcode(b, "sessions", "export", folder.name).stdout
        assert "> What does a.txt say?" in text and "````\na fence:\n```\npear" in text
        ended = vtcode(b, "sessions", "export", folder.name, "--format", "json", "-o", "s.json")
        assert ended.returncode == 0 and ended.stdout == ""
        whole = json.loads((b.workspace / "s.json").read_text())
        assert whole["turns"][0]["events"] == [json.loads(msgspec.json.encode(event)) for event in log_events(folder)]
        shown = json.loads(vtcode(b, "sessions", "show", folder.name, "--json").stdout)
        assert shown == whole


def test_sessions_are_deleted_by_name_or_by_age_and_never_by_themselves(home: Path) -> None:
    with bench(home, says("one")) as b:
        for _ in range(3):
            b.exec("go")
        old, named, new = folders(b)
        month_ago = time.time() - 31 * 86400
        os.utime(old / "events.jsonl", (month_ago, month_ago))
        assert b.exec("go").returncode == 0 and old.is_dir()
        ended = vtcode(b, "sessions", "delete", named.name, "nonsense")
        assert ended.returncode == 2 and named.is_dir(), "all or none"
        assert vtcode(b, "sessions", "delete", "--older-than", "30d").stdout == f"{old.name}\n"
        assert vtcode(b, "sessions", "delete", named.name).returncode == 0
        assert not old.exists() and not named.exists() and new.is_dir()
        left = new.with_name(f".{named.name}.gone")
        left.mkdir()
        os.utime(left, (month_ago, month_ago))
        none = vtcode(b, "sessions", "delete", "--older-than", "30d")
        assert (none.returncode, none.stdout, none.stderr) == (0, "", "no sessions are that old\n")
        assert not left.exists(), "what a deletion left that was cut off"
        for wrong in ([], ["--older-than", "soon"], [new.name, "--older-than", "1d"]):
            assert vtcode(b, "sessions", "delete", *wrong).returncode == 2


def test_the_key_is_never_written_down(home: Path) -> None:
    key = "sk-0123456789abcdef"
    with bench(home, call("run_terminal_cmd", command=f"echo {key}"), says(f"It is {key}.")) as b:
        b.environment["LMSTUDIO_API_KEY"] = key
        assert b.exec("go", "--full-auto").returncode == 0
        (folder,) = folders(b)
        assert key.encode() not in (folder / "events.jsonl").read_bytes()
        assert b.exec("go", "--continue").returncode == 0


def test_a_state_folder_that_cannot_be_written_is_said_and_done_without(home: Path) -> None:
    with bench(home, READ, says("done")) as b:
        b.environment["XDG_STATE_HOME"] = "/proc/nowhere"
        events, ended = b.events("go")
        assert ended.returncode == 0 and events[0]["session"] == ""
        assert any("not kept" in event["text"] for event in events if event["type"] == "notice")


def test_a_full_disk_is_said_once_and_the_log_stays_whole(home: Path) -> None:
    steps = [call("run_terminal_cmd", command=f"echo {number} {'x' * 400}") for number in range(12)]
    with bench(home, *steps, says("done"), says("again")) as b:
        command = f"ulimit -f 8; exec {BIN / 'vtcode'} exec --full-auto go"
        ended = subprocess.run(
            ["bash", "-c", command], env=b.environment, cwd=b.workspace, capture_output=True, text=True
        )
        assert ended.returncode == 0 and ended.stdout == "done\n"
        assert ended.stderr.count("could not be kept") == 1
        (folder,) = folders(b)
        assert len(logged(folder)) > 3, "only whole lines"
        ended = b.exec("go", "--continue", "--full-auto")
        assert ended.returncode == 0 and ended.stdout == "done\n"
        assert not unanswered(log_events(folder))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_a_log_that_is_whole(home: Path, number: signal.Signals) -> None:
    with bench(home, call("run_terminal_cmd", command="sleep 60"), says("done")) as b:
        process = subprocess.Popen(
            [str(BIN / "vtcode"), "exec", "--full-auto", "go"],
            env=b.environment,
            cwd=b.workspace,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(b, "tool.started")
        process.send_signal(number)
        process.wait(20)
        (folder,) = folders(b)
        check_order(log_events(folder))
        statuses = [fact["result"]["status"] for fact in logged(folder) if fact["type"] == "tool.finished"]
        assert statuses == ["cancelled"]
        assert b.exec("go", "--continue").stdout == "done\n"


def _wait_for(b: Bench, what: str) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if any(f'"{what}"'.encode() in (folder / "events.jsonl").read_bytes() for folder in folders(b)):
            return
        time.sleep(0.02)
    pytest.fail(f"no {what} was logged")


def test_a_conversation_at_a_terminal_is_gone_on_with(home: Path) -> None:
    with bench(home, says("First."), says("Second.")) as b:
        with terminal(b, "--plain") as t:
            t.expect(r"\?2004h")
            t.sendline("one")
            t.expect("First.")
            t.expect("done")
            t.expect(r"\?2004h")
            t.sendline("/new")
            t.expect("new conversation")
            t.expect(r"\?2004h")
            t.sendline("another")
            t.expect("First.")
            t.expect("done")
            t.expect(r"\?2004h")
            t.sendeof()
            t.expect(pexpect.EOF)
        assert len(folders(b)) == 2
        with terminal(b, "--plain", "--resume") as t:
            t.expect("Which one")
            time.sleep(0.3)
            t.sendline("2")
            t.expect("from the end of its last turn")
            t.expect(r"\?2004h")
            t.sendline("two")
            t.expect("Second.")
            t.expect("done")


def test_a_conversation_in_which_nothing_was_said_leaves_nothing(home: Path) -> None:
    for flags in ((), ("--plain",)):
        (home / "-".join(("of", *flags))).mkdir()
        with bench(home / "-".join(("of", *flags)), says("First.")) as b, terminal(b, *flags) as t:
            t.expect(r"sandbox for commands")
            time.sleep(0.5)
            t.send("\x1b\x04")
            time.sleep(0.5)
            t.send("\x04")
            t.expect(pexpect.EOF)
            assert folders(b) == []
