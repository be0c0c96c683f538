"""`vtcode exec` and `ask`, end to end against a real server with a scripted model."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from tests.agent.support import GUIDE, bench, call, results, says
from tests.support.processes import BIN, clean_environment, descendants, gone, run
from vtcode.events import Event, check_order


def test_a_task_reads_a_file_and_answers_on_standard_output(home: Path) -> None:
    with bench(home, call("read_file", path="a.txt"), says("It says pear.")) as b:
        b.write("a.txt", "pear\n")
        ended = b.exec("What does a.txt say?")
    assert ended.returncode == 0
    assert ended.stdout == "It says pear.\n"
    assert "read_file" in ended.stderr and "a.txt" in ended.stderr
    assert "done: 2 steps" in ended.stderr


def test_events_come_as_json_lines_in_their_order(home: Path) -> None:
    with bench(home, call("read_file", path="a.txt"), says("pear")) as b:
        b.write("a.txt", "pear\n")
        events, ended = b.events("Read a.txt")
    check_order([msgspec.json.decode(json.dumps(event), type=Event) for event in events])
    assert results(events)[0]["text"].strip() == "pear"
    assert events[-1]["text"] == "pear"
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("policy", "flags", "written", "status"),
    [
        ("allow", [], True, 0),
        ("deny", [], False, 3),
        ("prompt", [], False, 3),
        ("prompt", ["--full-auto"], True, 0),
        ("deny", ["--full-auto"], False, 3),
    ],
)
def test_policies_are_honoured_exactly(home: Path, policy: str, flags: list[str], written: bool, status: int) -> None:
    steps = [call("read_file", path="out.txt"), call("write_file", path="out.txt", content="new\n")]
    with bench(home, *steps, says("Finished.")) as b:
        b.write("vtcode.toml", f'[tools.policies]\nwrite_file = "{policy}"\n')
        # Without it, a workspace may not allow what the built-in policy asks for.
        assert run(["vtcode", "trust", "--yes"], b.environment, cwd=b.workspace).returncode == 0
        kept = b.write("out.txt", "old\n")
        events, ended = b.events("Write it", *flags)
    assert ended.returncode == status
    assert kept.read_text() == ("new\n" if written else "old\n")
    _, result = results(events)
    assert result["status"] == ("ok" if written else "denied")
    if not written:
        assert "did not run" in result["text"], "the model is told"
        assert events[-1]["denied"] == ["write_file"]


def test_a_denial_is_in_the_summary_for_the_person(home: Path) -> None:
    with bench(home, call("write_file", path="out.txt", content="x"), says("I could not.")) as b:
        b.write("vtcode.toml", '[tools.policies]\nwrite_file = "deny"\n')
        ended = b.exec("Write out.txt")
        assert not (b.workspace / "out.txt").exists()
    assert ended.returncode == 3
    assert "1 denied (write_file)" in ended.stderr


def test_full_auto_says_so(home: Path) -> None:
    with bench(home, says("ok")) as b:
        assert "full-auto" in b.exec("hi", "--full-auto").stderr


def test_the_guides_configuration_works_as_it_stands(home: Path) -> None:
    with bench(
        home, call("read_file", path="a.txt"), call("run_terminal_cmd", command="touch made"), says("ok")
    ) as b:
        b.write("vtcode.toml", GUIDE)
        b.write("a.txt", "x")
        events, _ = b.events("go", "--provider", "lmstudio", "--model", "scripted")
        assert not (b.workspace / "made").exists()
    assert [result["status"] for result in results(events)] == ["ok", "denied"]


def test_a_workspace_cannot_allow_commands_unasked(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="touch made"), says("ok")) as b:
        b.write("vtcode.toml", '[tools.policies]\nrun_terminal_cmd = "allow"\n')
        ended = b.exec("go")
        assert not (b.workspace / "made").exists()
        assert ended.returncode == 3 and "warning" in ended.stderr
        user = b.home / ".config" / "vtcode" / "vtcode.toml"
        user.parent.mkdir(parents=True)
        user.write_text('[tools.policies]\nrun_terminal_cmd = "allow"\n')
        (b.workspace / "vtcode.toml").unlink()
        assert b.exec("go").returncode == 0
        assert (b.workspace / "made").exists()


def test_steering_files_are_asked_for_whatever_the_policy(home: Path) -> None:
    with bench(home, call("write_file", path="vtcode.toml", content="[tools]\n"), says("ok")) as b:
        kept = b.write("vtcode.toml", '[tools.policies]\nwrite_file = "allow"\n')
        ended = b.exec("go", "--full-auto")
        assert kept.read_text().startswith("[tools.policies]")
    assert ended.returncode == 3


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (call("fly", to="moon"), "no tool"),
        ({"calls": [{"name": "read_file", "arguments": '{"path": '}]}, "path"),
        ({"calls": [{"name": "read_file", "arguments": "[1]"}]}, "path"),
        (call("read_file", path=7), "path"),
        (call("read_file"), "path"),
        (call("read_file", path="../outside"), "outside"),
        (call("edit_file", path="a.txt", old_str="absent", new_str="x"), "absent"),
    ],
)
def test_a_bad_call_is_answered_and_never_ends_the_turn(home: Path, reply: dict[str, object], told: str) -> None:
    with bench(home, reply, says("Well then.")) as b:
        b.write("a.txt", "pear\n")
        events, ended = b.events("go", "--full-auto")
    assert ended.returncode == 0
    (result,) = results(events)
    assert result["status"] == "error" and told in result["text"]
    assert events[-1]["text"] == "Well then."


def test_a_call_repeated_without_end_stops_at_the_step_limit(home: Path) -> None:
    with bench(home, call("read_file", path="a.txt")) as b:
        b.write("vtcode.toml", "[agent]\nmax_turns = 6\n")
        b.write("a.txt", "x")
        events, ended = b.events("go")
    assert ended.returncode == 4
    assert events[-1]["finish"] == "limit" and events[-1]["steps"] == 6
    assert "before" in results(events)[-1]["text"]


def test_a_reply_cut_at_its_limit_runs_no_call(home: Path) -> None:
    with bench(home, call("write_file", path="a.txt", content="half") | {"cut": True}) as b:
        ended = b.exec("go", "--full-auto")
        assert not (b.workspace / "a.txt").exists()
    assert ended.returncode == 4 and "limit" in ended.stderr


def test_a_command_runs_and_its_outcome_reaches_the_model(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="echo out; exit 3"), says("It failed.")) as b:
        events, _ = b.events("go", "--full-auto")
    (result,) = results(events)
    assert "exit code 3" in result["text"] and "out" in result["text"]


def test_ask_offers_no_tools(home: Path) -> None:
    with bench(home, call("read_file", path="a.txt") | {"text": "Hm."}) as b:
        b.write("a.txt", "secret")
        ended = run(["vtcode", "ask", "what?"], b.environment, cwd=b.workspace)
    assert ended.returncode == 0 and ended.stdout == "Hm.\n"


def test_a_model_that_writes_escapes_cannot_touch_the_terminal(home: Path) -> None:
    with bench(home, says("red \x1b[31m\x1b]0;title\x07 \u202e end")) as b:
        ended = b.exec("go")
    assert "\x1b" not in ended.stdout and "\u202e" not in ended.stdout
    assert "end" in ended.stdout


def test_text_arrives_as_it_is_made(home: Path) -> None:
    with bench(home, {"text": "one two three four five", "delay": 0.3}) as b:
        process = subprocess.Popen(
            [str(BIN / "vtcode"), "exec", "go"],
            env=b.environment,
            cwd=b.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100).startswith(b"one")
        assert process.poll() is None, "the first word came before the last"
        process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda n: str(n)
)
def test_a_signal_ends_a_run_and_its_command(home: Path, number: signal.Signals, status: int) -> None:
    with bench(home, call("run_terminal_cmd", command="sleep 60"), says("done")) as b:
        process = subprocess.Popen(
            [str(BIN / "vtcode"), "exec", "--full-auto", "go"],
            env=b.environment,
            cwd=b.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(200):
            if children := descendants(process.pid):
                break
            time.sleep(0.05)
        time.sleep(0.3)
        children = descendants(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == status
        assert children and gone(children)
        assert b"Traceback" not in errors


def test_a_typo_in_the_configuration_is_explained_and_nothing_runs(home: Path) -> None:
    with bench(home, call("write_file", path="out.txt", content="x"), says("ok")) as b:
        for text, words in (
            ('[tools.policies]\nwrite_fiel = "deny"\n', ["write_fiel", "write_file"]),
            (
                '[tools.policies]\nwrite_file = "alow"\n',
                ["tools.policies.write_file", "allow", "prompt", "deny"],
            ),
            ("[tools\n", ["vtcode.toml", "line 1"]),
            ('[agent]\nmax_turns = "many"\n', ["agent.max_turns"]),
            ('[agent]\nprovider = "lmstudo"\n', ["lmstudo", "lmstudio"]),
        ):
            b.write("vtcode.toml", text)
            ended = b.exec("go", "--full-auto")
            assert ended.returncode == 2
            assert "Traceback" not in ended.stderr
            for word in ["vtcode.toml", *words]:
                assert word in ended.stderr, (text, ended.stderr)
        assert not (b.workspace / "out.txt").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_reason_to_fail(home: Path, closed: str) -> None:
    with bench(home, call("write_file", path="made", content="x"), says("Then not.")) as b:
        command = f"{BIN / 'vtcode'} exec go {closed}"
        ended = subprocess.run(
            ["bash", "-c", command], env=b.environment, cwd=b.workspace, capture_output=True, text=True
        )
        assert ended.returncode == 3 and "Traceback" not in ended.stderr
        assert not (b.workspace / "made").exists()


@pytest.mark.parametrize("words", [["exec", ""], ["exec", "-"], ["ask", " ", "-"]])
def test_an_empty_task_is_told_and_never_sent(home: Path, words: list[str]) -> None:
    ended = run(["vtcode", *words], clean_environment(home), cwd=home)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "vtcode: There is no task: the text is empty. Say what to do.\n"


def test_a_task_that_is_not_utf_8_is_still_a_task(home: Path) -> None:
    with bench(home, says("Caf\u00e9.")) as b:
        ended = subprocess.run(
            [str(BIN / "vtcode"), "ask", b"caf\xe9"],
            env=b.environment | {"PYTHONIOENCODING": "ascii"},
            cwd=b.workspace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    assert ended.returncode == 0 and ended.stdout == b"Caf\\xe9.\n"


def test_a_state_folder_that_cannot_be_written_is_done_without(models: Path, home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models), "XDG_STATE_HOME": "/proc/nowhere"})
    (home / "vtcode.toml").write_text("[agent]\ntemperature = 0.0\n")
    ended = run(["vtcode", "ask", "--embedded", "Say hello."], environment, cwd=home)
    assert ended.returncode == 0, ended.stderr


def test_running_the_tests_again_after_each_edit_is_no_repetition(home: Path) -> None:
    steps = [call("read_file", path="a.txt"), call("run_terminal_cmd", command="cat a.txt")]
    for number in range(5):
        steps += [
            call("write_file", path="a.txt", content=str(number)),
            call("run_terminal_cmd", command="cat a.txt"),
        ]
    with bench(home, *steps, says("done")) as b:
        b.write("a.txt", "x")
        events, ended = b.events("go", "--full-auto")
    assert ended.returncode == 0
    assert all(result["status"] == "ok" for result in results(events))
