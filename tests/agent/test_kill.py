"""`kill -9` at any moment: every session resumes, no file is torn, every call has exactly one answer."""

import os
import random
import subprocess
import time
from pathlib import Path

from tests.agent.sessions import folders, log_events, unanswered
from tests.agent.support import Bench, bench, call, says
from tests.support.processes import BIN
from vtcode.events import check_order
from vtcode.sessions.store import Sessions
from vtcode.workspace import Workspace

KILLS = int(os.environ.get("VTCODE_TEST_KILLS", "25"))
"""100 by hand; the gate has less time."""


def content(number: int) -> str:
    return "".join(f"line {line} of file {number}\n" for line in range(2000))


def test_a_session_survives_being_killed_at_any_moment(home: Path) -> None:
    contents = [content(number) for number in range(5)]
    steps = [call("write_file", path=f"f{number}.txt", content=text) for number, text in enumerate(contents)]
    steps.append(call("run_terminal_cmd", command="sleep 0.02"))
    steps.append(call("edit_file", path="g.txt", old_str="x", new_str="y"))
    chance = random.Random(16)
    with bench(home, *steps, says("done")) as b:
        environ = b.environment
        whole = {text.encode() for text in contents} | {b"x\n", b"y\n"}
        (b.workspace / "g.txt").write_text("x\n")
        whole_run = _seconds(b, set())
        sessions, workspace = Sessions(environ), Workspace(b.workspace)
        cut = 0
        for kill in range(KILLS):
            for path in b.workspace.iterdir():
                path.unlink()
            (b.workspace / "g.txt").write_text("x\n")
            known = set(folders(b))
            process = subprocess.Popen(
                [str(BIN / "vtcode"), "exec", "--full-auto", "-q", "go"],
                env=environ,
                cwd=b.workspace,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if kill % 5:
                # From the first line of the log on: how long a start takes is the machine's business.
                _wait_for_log(b, known, process)
            time.sleep(chance.uniform(0.0, 1.0) * whole_run)
            process.kill()
            process.wait()
            for path in b.workspace.iterdir():
                assert path.read_bytes() in whole or path.name.startswith(".vtcode-"), (kill, path)
            for folder in set(folders(b)) - known:
                log = folder / "events.jsonl"
                if not log.exists() or not log.stat().st_size:
                    continue  # killed before the session began
                found = sessions.named(folder.name)
                session = sessions.resume(found, workspace)
                said = session.take_said()
                session.close()
                assert not [words for words in said if "skipped" in words], (kill, said)
                facts = log_events(folder)
                assert not unanswered(facts) and list(session.facts) == facts, kill
                if facts:
                    check_order(facts)
                cut += any("cut off" in words for words in said)
        assert cut >= KILLS // 5, "most were killed in the middle of a turn"
        ended = b.exec("go on", "--continue", "--full-auto")
        assert ended.returncode == 0 and ended.stdout == "done\n", ended.stderr


def _seconds(b: Bench, known: set[Path]) -> float:
    """Tell how long a run takes from the first line of its log on."""
    process = subprocess.Popen(
        [str(BIN / "vtcode"), "exec", "--full-auto", "-q", "go"],
        env=b.environment,
        cwd=b.workspace,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for_log(b, known, process)
    started = time.monotonic()
    assert process.wait(60) == 0
    return time.monotonic() - started


def _wait_for_log(b: Bench, known: set[Path], process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None and not any(
        (folder / "events.jsonl").exists() for folder in set(folders(b)) - known
    ):
        time.sleep(0.002)
