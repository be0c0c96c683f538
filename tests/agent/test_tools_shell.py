"""Running commands: what the model is told, and that nothing of a command is left."""

import asyncio
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.runs import turn_events
from tests.agent.support import bench, call, results, says
from tests.agent.tools import Toolbox
from tests.support.processes import BIN
from vtcode.events import ToolFinished, ToolOutput
from vtcode.sandbox import Level
from vtcode.tools import Outcome
from vtcode.tools.background import MOST_RUNNING, Background
from vtcode.tools.output import Ends
from vtcode.tools.spool import Spool


@pytest.fixture(params=[level for level in Level if level is not Level.SEATBELT])
def box(tmp_path: Path, request: pytest.FixtureRequest) -> Toolbox:
    box = Toolbox(tmp_path, 2000)
    box.context = msgspec.structs.replace(box.context, level=request.param)
    return box


def left_over(mark: str) -> list[str]:
    """Find processes that were started with `mark` on their command line."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line:
            found.append(line)
    return found


def soon_gone(mark: str) -> bool:
    end = time.monotonic() + 3
    while left_over(mark) and time.monotonic() < end:
        time.sleep(0.02)
    return not left_over(mark)


@pytest.mark.parametrize(
    ("command", "ok", "text"),
    [
        ("echo out", True, "exit code 0\nout"),
        ("echo out; echo err >&2; exit 3", False, "exit code 3\nout\nerr"),
        ("true", True, "exit code 0, no output"),
        ("kill -9 $$", False, "exit code 137, no output"),
        ("printf 'a\\xffb'", True, "exit code 0\na\ufffdb"),
        ("printf '\\033[31mred\\033[0m\\n'", True, "exit code 0\nred"),
        ("printf '10%%\\r50%%\\r100%%\\r\\ndone\\n'", True, "exit code 0\n100%\ndone"),
        ("read line && echo got; echo end", True, "exit code 0\nend"),
        ("pwd | wc -l; [ -t 0 ] || echo no terminal", True, "exit code 0\n1\nno terminal"),
        ("nonsense-command 2>/dev/null", False, "exit code 127, no output"),
        ("ls /proc/self/fd | wc -l", True, "exit code 0\n4"),
    ],
)
def test_a_command_is_answered_by_its_exit_code_and_output(box: Toolbox, command: str, ok: bool, text: str) -> None:
    outcome = box.run("run_terminal_cmd", command=command)
    assert (outcome.ok, outcome.text) == (ok, text)


def test_the_workspace_is_the_working_folder(box: Toolbox) -> None:
    box.run("run_terminal_cmd", command="echo made > made.txt")
    assert (box.root / "made.txt").read_text() == "made\n"


@pytest.mark.parametrize("command", ["", " ", "a\0b", "echo " + "x" * 3_000_000])
def test_what_cannot_be_started_is_an_outcome(box: Toolbox, command: str) -> None:
    outcome = box.run("run_terminal_cmd", command=command)
    assert not outcome.ok and "command" in outcome.text and len(outcome.text) < 300


def test_long_output_keeps_both_ends_and_says_how_much_is_missing(box: Toolbox) -> None:
    outcome = box.run("run_terminal_cmd", command="seq 1 100000")
    lines = outcome.text.split("\n")
    assert lines[:3] == ["exit code 0", "1", "2"] and lines[-1] == "100000"
    (mark,) = (line for line in lines if "left out" in line)
    shown = sum(len(line) + 1 for line in lines[1:] if line != mark)
    assert mark == f"[{588_895 - shown + 1:,} characters left out]"
    assert len(outcome.text) < 2100


def test_output_is_passed_on_as_it_comes(box: Toolbox) -> None:
    seen: list[tuple[float, str]] = []
    context = msgspec.structs.replace(box.context, on_output=lambda text: seen.append((time.monotonic(), text)))
    box.context = context
    box.run("run_terminal_cmd", command="echo one; sleep 0.5; echo two")
    assert "".join(text for _, text in seen) == "one\ntwo\n"
    assert seen[-1][0] - seen[0][0] > 0.3


@pytest.mark.parametrize("command", ["sleep 1000.25", "trap '' TERM INT HUP; sleep 1000.25; sleep 1000.25"])
def test_a_command_that_does_not_end_is_stopped_with_all_it_started(box: Toolbox, command: str) -> None:
    started = time.monotonic()
    outcome = box.run("run_terminal_cmd", command=f"echo begun; sleep 1000.25 & {command}", timeout=1)
    assert time.monotonic() - started < 6
    assert (outcome.ok, outcome.text) == (False, "timed out after 1 s and was stopped\nbegun")
    assert soon_gone("sleep 1000.25")


def test_a_command_left_in_the_background_is_stopped_and_not_waited_for(box: Toolbox) -> None:
    started = time.monotonic()
    outcome = box.run("run_terminal_cmd", command="sleep 1000.5 & echo done")
    assert outcome.text == "exit code 0\ndone"
    assert time.monotonic() - started < 3
    assert soon_gone("sleep 1000.5")


def test_what_left_the_process_group_is_stopped_too(box: Toolbox) -> None:
    escape = "(setsid nohup sleep 1000.0625 >/dev/null 2>&1 &); setsid sleep 1000.0625 & sleep 0.1"
    assert box.run("run_terminal_cmd", command=escape).ok
    assert soon_gone("sleep 1000.0625")


def test_a_command_that_is_cancelled_is_stopped_with_all_it_started(box: Toolbox) -> None:
    async def cancel_soon() -> None:
        call = asyncio.create_task(box.call("run_terminal_cmd", command="sleep 1000.75 & sleep 1000.75"))
        await asyncio.sleep(0.5)
        assert left_over("sleep 1000.75")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel_soon())
    assert soon_gone("sleep 1000.75")


def test_a_flood_of_output_is_held_in_bounded_memory_and_time(box: Toolbox) -> None:
    before = resident()
    outcome = box.run("run_terminal_cmd", command="yes | head -c 300000000", timeout=30)
    assert outcome.text.startswith("exit code 0\ny\n")
    assert resident() - before < 20_000_000


def test_no_descriptor_is_left_open(box: Toolbox) -> None:
    box.run("run_terminal_cmd", command="true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        box.run("run_terminal_cmd", command="echo x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_whole_of_a_long_output_is_kept_and_named(box: Toolbox, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "output")
    box.context = msgspec.structs.replace(box.context, spool=spool)
    assert "whole" not in box.run("run_terminal_cmd", command="echo short").text
    outcome = box.run("run_terminal_cmd", command="seq 1 100000")
    assert "characters left out; whole: @output/1]" in outcome.text
    path = spool.find("@output/1")
    assert path is not None and path.read_text() == "".join(f"{n}\n" for n in range(1, 100_001))
    assert path.stat().st_mode & 0o777 == 0o600
    flood = box.run("run_terminal_cmd", command="head -c 20000000 /dev/zero | tr '\\0' x")
    assert "; its first 16 MB: @output/2]" in flood.text
    path = spool.find("@output/2")
    assert path is not None and path.stat().st_size == 16_000_000


def test_where_nothing_can_be_kept_a_long_output_is_cut_all_the_same(box: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "output").write_text("in the way")
    box.context = msgspec.structs.replace(box.context, spool=Spool(tmp_path / "output"))
    outcome = box.run("run_terminal_cmd", command="seq 1 100000")
    assert outcome.ok and "characters left out]" in outcome.text


def test_a_line_that_begins_with_a_dash_is_a_command_and_no_option_of_the_shell(box: Toolbox) -> None:
    assert box.run("run_terminal_cmd", command="--version").text.startswith("exit code 127\n")


# Background ---------------------------------------------------------------------------------------------


class Jobs:
    """Calls about commands in the background, made in one run."""

    def __init__(self, box: Toolbox) -> None:
        self.background = Background()
        box.context = msgspec.structs.replace(box.context, background=self.background)
        self._box = box

    async def start(self, command: str, **more: object) -> Outcome:
        return await self._box.call("run_terminal_cmd", command=command, background=True, **more)

    async def look(self, number: int, *, stop: bool = False) -> Outcome:
        return await self._box.call("command_output", id=number, **({"stop": True} if stop else {}))


def test_a_background_command_is_answered_at_once_and_read_later(box: Toolbox) -> None:
    async def run() -> list[Outcome]:
        jobs = Jobs(box)
        try:
            started = time.monotonic()
            first = await jobs.start("echo one; sleep 1; echo two; sleep 1000.375")
            assert time.monotonic() - started < 1
            second, third = await jobs.look(1), await jobs.look(1, stop=True)
            return [first, second, third, await jobs.look(1), await jobs.look(2)]
        finally:
            await jobs.background.close()

    first, second, third, fourth, unknown = asyncio.run(run())
    assert re.fullmatch(r"background command 1: running for 0 s\none", first.text)
    assert re.fullmatch(r"running for \d s\ntwo", second.text)
    assert third.text == "stopped, no new output" == fourth.text
    assert not unknown.ok and unknown.text == "There is no background command 2. There are: 1."
    assert soon_gone("sleep 1000.375")


def test_background_commands_end_with_the_run_with_all_that_they_started(box: Toolbox) -> None:
    async def run() -> None:
        jobs = Jobs(box)
        for _ in range(2):
            await jobs.start("trap '' TERM HUP; sleep 1000.625 & sleep 1000.625")
        assert left_over("sleep 1000.625")
        await jobs.background.close()

    asyncio.run(run())
    assert soon_gone("sleep 1000.625")


def test_a_background_command_that_fails_at_once_says_so(box: Toolbox) -> None:
    async def run() -> tuple[Outcome, Outcome, Outcome]:
        jobs = Jobs(box)
        failed = await jobs.start("nonsense-command 2>/dev/null")
        late = await jobs.start("echo begun; sleep 1000.875", timeout=1)
        await asyncio.sleep(1.5)
        return failed, late, await jobs.look(2)

    failed, late, ended = asyncio.run(run())
    assert (failed.ok, failed.text) == (False, "background command 1: exit code 127, no new output")
    assert late.ok
    assert (ended.ok, ended.text) == (False, "timed out after 1 s and was stopped, no new output")
    assert soon_gone("sleep 1000.875")


def test_there_are_at_most_so_many_background_commands(box: Toolbox) -> None:
    async def run() -> list[bool]:
        jobs = Jobs(box)
        try:
            return [(await jobs.start("sleep 1000.9375")).ok for _ in range(MOST_RUNNING + 1)]
        finally:
            await jobs.background.close()

    assert asyncio.run(run()) == [True] * MOST_RUNNING + [False]
    assert soon_gone("sleep 1000.9375")


def test_a_flood_in_the_background_is_held_in_bounded_memory(box: Toolbox, tmp_path: Path) -> None:
    async def run() -> Outcome:
        jobs = Jobs(box)
        box.context = msgspec.structs.replace(box.context, spool=Spool(tmp_path / "output"))
        await jobs.start("yes | head -c 200000000")
        while (outcome := await jobs.look(1)).text.startswith("running"):
            pass
        return outcome

    before = resident()
    assert asyncio.run(run()).text.startswith("exit code 0")
    assert resident() - before < 20_000_000
    assert (tmp_path / "output" / "1.txt").stat().st_size == 16_000_000


# In a run -----------------------------------------------------------------------------------------------


def test_what_a_command_prints_is_told_while_it_runs(tmp_path: Path) -> None:
    command = "echo one; sleep 0.5; echo two"
    with bench(tmp_path, call("run_terminal_cmd", command=command), says("Done.")) as it:
        events = turn_events(it, full_auto=True)
    told = [event.text for event in events if isinstance(event, ToolOutput)]
    assert "".join(told) == "one\ntwo\n" and len(told) > 1
    (finished,) = (event for event in events if isinstance(event, ToolFinished))
    assert finished.result.text == "exit code 0\none\ntwo"


def test_a_flood_of_output_is_thinned_out_on_its_way_to_the_person(tmp_path: Path) -> None:
    with bench(tmp_path, call("run_terminal_cmd", command="yes | head -c 100000000"), says("Done.")) as it:
        before = resident()
        events = turn_events(it, full_auto=True)
        assert resident() - before < 60_000_000
    assert max(len(event.text) for event in events if isinstance(event, ToolOutput)) <= 1 << 14


def test_background_commands_of_a_run_are_gone_after_it(tmp_path: Path) -> None:
    start = call("run_terminal_cmd", command="sleep 1000.4375", background=True)
    with bench(tmp_path, start, call("command_output", id=1), says("Done.")) as it:
        events, ended = it.events("run it", "--full-auto")
    assert ended.returncode == 0
    assert [result["text"].partition(" for")[0] for result in results(events)] == [
        "background command 1: running",
        "running",
    ]
    assert soon_gone("sleep 1000.4375")


def test_ctrl_c_ends_a_command_with_all_that_it_started(tmp_path: Path) -> None:
    # A name of its own: what another run of this test left would be taken for ours.
    mark = f"sleep 1000.{os.getpid()}"
    with bench(tmp_path, call("run_terminal_cmd", command=f"{mark} & {mark}"), says("Done.")) as it:
        process = subprocess.Popen(
            [str(BIN / "vtcode"), "exec", "--full-auto", "run it"],
            env=it.environment,
            cwd=it.workspace,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 20
        while not left_over(mark) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert soon_gone(mark)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@given(st.lists(st.text(alphabet="abc\n", max_size=20), max_size=30), st.integers(min_value=1, max_value=60))
def test_the_ends_of_a_text_are_its_own(pieces: list[str], limit: int) -> None:
    whole, ends = "".join(pieces), Ends(limit)
    for piece in pieces:
        ends.add(piece)
    text = ends.text()
    if len(whole) <= limit:
        assert text == whole
        return
    head, _, rest = text.partition("\n[")
    count, _, tail = rest.partition(" characters left out]\n")
    assert whole.startswith(head) and whole.endswith(tail)
    assert int(count.replace(",", "")) == len(whole) - len(head) - len(tail) > 0


def test_a_command_of_a_megabyte_is_refused_in_words(box: Toolbox) -> None:
    outcome = box.run("run_terminal_cmd", command="echo " + "x" * 1_000_000)
    assert not outcome.ok
    assert outcome.text == (
        "The command is too long (1,000,005 characters; the system takes 100,000 bytes). Write a script with "
        "write_file, and run that."
    )
    assert box.run("run_terminal_cmd", command="true " + "x" * 99_990).ok
