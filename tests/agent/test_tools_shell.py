"""Running commands: what the model is told, and that nothing of a command is left."""

import asyncio
import os
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.tools import Toolbox
from vtcode.sandbox import Level
from vtcode.tools.output import Ends


@pytest.fixture(params=list(Level))
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
