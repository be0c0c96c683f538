"""`vtcode exec` for scripts: where the answer goes, limits, and events that follow their schema."""

import json
import signal
import subprocess
import time
from pathlib import Path

import jsonschema
import msgspec
import pytest

from tests.agent.support import bench, call, says
from tests.support.processes import BIN, REPOSITORY, clean_environment, descendants, run
from vtcode.commands.schema import events_schema
from vtcode.events import Event, check_order


def test_the_final_answer_is_written_into_a_file_as_well(home: Path) -> None:
    with bench(home, call("list_files", path="."), says("Caf\u00e9, done.")) as b:
        b.write("answer.txt", "what was there before, and was longer")
        ended = b.exec("go", "--output-last-message", "answer.txt", "--quiet")
        assert ended.returncode == 0 and ended.stdout == "Caf\u00e9, done.\n"
        assert (b.workspace / "answer.txt").read_text() == "Caf\u00e9, done."
        assert sorted(path.name for path in b.workspace.iterdir()) == ["answer.txt"]


def test_the_file_for_the_answer_may_be_a_pipe(home: Path) -> None:
    with bench(home, says("Through.")) as b:
        command = f"{BIN / 'vtcode'} exec -q -o /dev/stdout go | cat"
        ended = subprocess.run(
            ["bash", "-c", command], env=b.environment, cwd=b.workspace, capture_output=True, text=True
        )
    assert ended.stdout == "Through.\nThrough."


@pytest.mark.parametrize("target", ["nowhere/answer.txt", "."])
def test_an_answer_that_could_not_be_written_is_refused_before_the_work(home: Path, target: str) -> None:
    with bench(home, call("write_file", path="made", content="x"), says("done")) as b:
        ended = b.exec("go", "--full-auto", "-o", target)
        assert ended.returncode == 2 and "name a file" in ended.stderr and "Traceback" not in ended.stderr
        assert not (b.workspace / "made").exists()


def test_a_run_ends_after_the_time_that_it_is_given(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="sleep 60"), says("done")) as b:
        started = time.monotonic()
        events, ended = b.events("go", "--full-auto", "--timeout", "2")
        assert time.monotonic() - started < 20
    assert ended.returncode == 4 and "--timeout" in ended.stderr
    check_order([msgspec.json.decode(json.dumps(event), type=Event) for event in events])
    assert [event["result"]["status"] for event in events if event["type"] == "tool.finished"] == ["cancelled"]
    assert events[-1]["finish"] == "cancelled"


def test_max_turns_is_over_the_configuration(home: Path) -> None:
    replies = [call("list_files", path=".", depth=number) for number in range(6)]
    with bench(home, *replies, says("done")) as b:
        b.write("vtcode.toml", "[agent]\nmax_turns = 30\n")
        events, ended = b.events("go", "--max-turns", "2")
    assert ended.returncode == 4
    assert sum(event["type"] == "tool.finished" for event in events) == 2


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan"])
def test_limits_that_are_none_are_wrong_usage(home: Path, value: str) -> None:
    for flag in ("--timeout", "--max-turns"):
        ended = run(["vtcode", "exec", flag, value, "go"], clean_environment(home), cwd=home)
        assert ended.returncode == 2 and flag in ended.stderr


def test_events_of_an_interrupted_run_are_whole(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="sleep 60"), says("done")) as b:
        process = subprocess.Popen(
            [str(BIN / "vtcode"), "exec", "--json", "--full-auto", "go"],
            env=b.environment,
            cwd=b.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while json.loads(lines[-1])["type"] != "tool.started":
            lines.append(process.stdout.readline())
        while not descendants(process.pid):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    events = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    check_order([msgspec.json.decode(json.dumps(event), type=Event) for event in events])
    assert events[-1]["type"] == "turn.finished" and events[-1]["finish"] == "cancelled"


def test_each_line_follows_the_documented_schema(home: Path) -> None:
    documented = json.loads((REPOSITORY / "docs" / "events.schema.json").read_text())
    assert documented == events_schema(), "renew it: vtcode schema events > docs/events.schema.json"
    replies = (
        {"reasoning": "Look first.", **call("read_file", path="a.txt")},
        call("write_file", path="b.txt", content="x"),
        call("nonsense"),
        says("done"),
    )
    with bench(home, *replies) as b:
        b.write("a.txt", "pear")
        events, _ = b.events("go")
    validator = jsonschema.Draft202012Validator(documented)
    for event in events:
        validator.validate(event)
    types = {event["type"] for event in events}
    assert types >= {"run.started", "turn.started", "message.finished", "approval.asked", "tool.finished"}
    assert not validator.is_valid({"type": "turn.finished"}), "the schema says something"


def test_the_run_says_what_it_works_with(home: Path) -> None:
    with bench(home, says("hi")) as b:
        events, _ = b.events("go")
    assert events[0]["type"] == "run.started"
    assert events[0]["address"] == b.server.url and events[0]["model"] and events[0]["sandbox"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_each_shell_gets_its_completion(home: Path, shell: str) -> None:
    ended = run(["vtcode", "completion", shell], clean_environment(home), cwd=home)
    assert ended.returncode == 0 and "exec" in ended.stdout and "max-turns" in ended.stdout


def test_bash_completes_commands(home: Path) -> None:
    script = (
        f"source <({BIN / 'vtcode'} completion bash); COMP_WORDS=(vtcode ex); COMP_CWORD=1; "
        "_shtab_vtcode; echo ${COMPREPLY[@]}"
    )
    ended = subprocess.run(["bash", "-c", script], env=clean_environment(home), capture_output=True, text=True)
    assert ended.stdout.strip() == "exec"


def test_what_the_model_thinks_is_shown_beside_the_answer_where_the_user_wants_it(home: Path) -> None:
    with bench(home, {"reasoning": "First, \x1b[2Jlook.", "text": "Done."}) as b:
        hidden = b.exec("go")
        shown = b.exec("go", "-c", "ui.show_reasoning=true")
        quiet = b.exec("go", "-q", "-c", "ui.show_reasoning=true")
    assert "look" not in hidden.stderr and "look" not in quiet.stderr
    assert "First, " in shown.stderr and "look." in shown.stderr and "\x1b" not in shown.stderr
    assert hidden.stdout == shown.stdout == quiet.stdout == "Done.\n"


@pytest.mark.parametrize(("color", "has"), [("always", True), ("never", False), ("auto", False)])
def test_colours_are_as_the_configuration_says(home: Path, color: str, has: bool) -> None:
    with bench(home, call("list_files", path="."), says("Done.")) as b:
        ended = b.exec("go", "-c", f"ui.color={color}")
    assert ("\x1b[" in ended.stderr) is has
    assert "\x1b" not in ended.stdout
