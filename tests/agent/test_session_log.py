"""The log of a session: whatever happens to it, what is read back is a conversation."""

import itertools
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.sessions import folders, log_events, unanswered, vtcode
from tests.agent.support import bench, says
from tests.support.processes import BIN
from vtcode import events
from vtcode.conversation import Conversation
from vtcode.events import Event
from vtcode.messages import AssistantMessage, Finish, Status, ToolCall, ToolResult, Usage, UserMessage
from vtcode.sessions import SessionBusy
from vtcode.sessions.history import read_history
from vtcode.sessions.lines import VERSION, Header, Line, decode, encode
from vtcode.sessions.log import Log
from vtcode.sessions.reading import read_log
from vtcode.sessions.session import Setup
from vtcode.sessions.store import Sessions
from vtcode.workspace import Workspace

HEADER = Header(id="20260102T030405-abcdef", created="2026-01-02T03:04:05.000Z", workspace="/work")


def turn(number: int, calls: int = 2, *, same_ids: bool = False) -> list[Event]:
    """One whole turn: a reply with calls, their answers, a last reply."""
    made = tuple(ToolCall("c" if same_ids else f"c{n}", "read_file", "{}") for n in range(calls))
    facts: list[Event] = [
        events.TurnStarted(f"task {number}"),
        events.StepStarted(1),
        events.MessageFinished(AssistantMessage(calls=made, finish=Finish.TOOLS)),
    ]
    for made_call in made:
        result = ToolResult(made_call.id, made_call.name, Status.OK, f"result of turn {number}")
        facts += [events.ToolStarted(made_call, "allow"), events.ToolFinished(made_call, result, 0.1)]
    return [
        *facts,
        events.StepStarted(2),
        events.MessageFinished(AssistantMessage(text=f"answer {number}")),
        events.TurnFinished(Finish.STOP, f"answer {number}", 2, calls, (), Usage(), 0.5),
    ]


def lines(*facts: Event) -> list[Line]:
    made = [Line(1, "2026-01-02T03:04:05.000Z", HEADER)]
    number = 0
    for fact in facts:
        number += isinstance(fact, events.TurnStarted)
        made.append(Line(len(made) + 1, "2026-01-02T03:04:05.000Z", fact, number))
    return made


def write(path: Path, *facts: Event) -> bytes:
    data = b"".join(map(encode, lines(*facts)))
    path.write_bytes(data)
    return data


def check_conversation(facts: list[Event]) -> None:
    assert not unanswered(facts)
    folded = Conversation(facts).messages
    for before, after in itertools.pairwise(folded):
        assert not (isinstance(before, UserMessage) and isinstance(after, UserMessage)), "many templates refuse it"
    assert not folded or isinstance(folded[0], UserMessage)


@given(st.data())
def test_a_log_that_ends_anywhere_is_a_conversation(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    whole = write(folder / "log", *turn(1), *turn(2, same_ids=True), *turn(3, calls=0))
    cut = data.draw(st.integers(0, len(whole)))
    (folder / "log").write_bytes(whole[:cut])
    Log.reopen(folder / "log").close()
    read = read_log(folder / "log")
    assert read.skipped == 0, "a torn end is no damage"
    history = read_history(read.lines)
    check_conversation(history.facts)
    assert len(read.lines) == max(0, whole[:cut].count(b"\n") + (whole[cut : cut + 1] == b"\n") - 1)


@given(st.data())
def test_a_damaged_log_is_still_a_conversation(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    made = [encode(line) for line in lines(*turn(1), *turn(2), *turn(3))]
    garbage = st.one_of(
        st.binary(max_size=40).map(lambda junk: junk.replace(b"\n", b"") + b"\n"),
        st.sampled_from(
            [b"null\n", b"{}\n", b'{"n":7,"at":"","fact":{"type":"from.the.future"}}\n', b"[" * 5000 + b"\n", *made]
        ),
    )
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(made) - 1))
        match data.draw(st.sampled_from(["drop", "insert", "replace", "swap"])):
            case "drop" if len(made) > 1:
                del made[at]
            case "insert":
                made.insert(at, data.draw(garbage))
            case "replace":
                made[at] = data.draw(garbage)
            case _:
                made[at], made[-1 - at] = made[-1 - at], made[at]
    path.write_bytes(b"".join(made))
    read = read_log(path)
    check_conversation(read_history(read.lines).facts)


def test_bad_lines_are_counted_and_said(home: Path) -> None:
    with bench(home, says("one"), says("two")) as b:
        b.exec("go")
        (folder,) = folders(b)
        log = folder / "events.jsonl"
        good = log.read_bytes()
        newest = good.splitlines(keepends=True)[-1]
        log.write_bytes(good + b"\x00\xff garbage\n" + newest + b'{"n":99,"at":"","fact":{"type":"new"}}\n')
        ended = b.exec("go", "--continue")
        assert ended.stdout == "two\n" and "3 lines were skipped" in ended.stderr


def test_a_line_cut_short_is_gone_and_a_whole_one_without_its_end_stays(tmp_path: Path) -> None:
    whole = write(tmp_path / "log", *turn(1))
    (tmp_path / "log").write_bytes(whole[:-1])
    Log.reopen(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == whole
    (tmp_path / "log").write_bytes(whole[:-9])
    Log.reopen(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == whole[: whole[:-1].rindex(b"\n") + 1]


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    first = Log.create(tmp_path / "log")
    with pytest.raises(SessionBusy, match="another vtcode"):
        Log.reopen(tmp_path / "log")
    first.close()
    Log.reopen(tmp_path / "log").close()


def test_what_the_disk_refused_is_written_when_there_is_room_again(tmp_path: Path) -> None:
    import resource

    log = Log.create(tmp_path / "log")
    log.append([HEADER], 0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "log").stat().st_size
    facts = turn(1)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 150, limits[1]))
        said = [log.append([fact], 1) for fact in facts[:4]]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [sentence is not None for sentence in said].count(True) == 1, "said once"
    assert all(map(decode, (tmp_path / "log").read_bytes().splitlines())), "no half of a line"
    assert "without a gap" in str(log.append(facts[4:5], 1))
    log.append(facts[5:], 1)
    log.close()
    read = read_log(tmp_path / "log")
    assert [line.fact for line in read.lines] == facts
    assert [line.n for line in read.lines] == list(range(2, len(facts) + 2))


def test_text_that_no_encoding_has_is_kept_as_far_as_it_can_be(tmp_path: Path) -> None:
    log = Log.create(tmp_path / "log")
    assert log.append([HEADER, events.TurnStarted("a\udc80b\u2028c\x00d")], 1) is None
    log.close()
    (line,) = read_log(tmp_path / "log").lines
    assert line.fact == events.TurnStarted("a?b\u2028c\x00d")


@pytest.fixture
def sessions(home: Path) -> Sessions:
    return Sessions({"XDG_STATE_HOME": str(home / "state")})


def kept(sessions: Sessions, workspace: Workspace, *facts: Event) -> Path:
    session = sessions.new(workspace)
    session.pin(Setup(model="m", provider="lmstudio", profile="full"))
    for fact in facts:
        session.record(fact)
    session.close()
    return session.folder / "events.jsonl"


def test_a_cut_turn_is_ended_in_the_log_when_it_is_gone_on_with(sessions: Sessions, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    kept(sessions, workspace, *turn(1), *turn(2)[:4])
    session = sessions.resume(sessions.newest(workspace), workspace)
    assert any("cut off" in sentence for sentence in session.take_said())
    session.close()
    facts = log_events(session.folder)
    assert not unanswered(facts) and isinstance(facts[-1], events.TurnFinished)
    assert facts[-1].finish is Finish.CANCELLED
    assert tuple(facts) == session.facts
    again = sessions.resume(sessions.newest(workspace), workspace)
    assert again.take_said() == [] and again.facts == session.facts
    again.close()


def test_a_log_of_a_newer_version_is_left_alone_and_gone_on_with_in_a_copy(
    sessions: Sessions, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    log = kept(sessions, workspace, *turn(1))
    newer = log.read_bytes().replace(b'"version":%d' % VERSION, b'"version":%d' % (VERSION + 1), 1)
    log.write_bytes(newer)
    session = sessions.resume(sessions.newest(workspace), workspace)
    assert session.folder != log.parent and list(session.facts) == turn(1)
    assert any("newer" in sentence for sentence in session.take_said())
    session.close()
    assert log.read_bytes() == newer


def test_a_model_chosen_within_a_session_is_the_one_that_it_goes_on_with(sessions: Sessions, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    setup = Setup(model="small", provider="lmstudio", profile="guided", notes="Be short.")
    session = sessions.new(workspace)
    assert session.pinned is None and session.pin(setup) == "Be short."
    session.record(events.TurnStarted("go"))
    larger = msgspec.structs.replace(setup, model="large", profile="full", notes="Other notes.")
    assert session.pin(larger) == "Be short.", "the prompt keeps its notes"
    session.close()
    again = sessions.resume(sessions.newest(workspace), workspace)
    assert again.pinned is not None and (again.pinned.model, again.pinned.profile) == ("large", "full")
    again.take_said()
    assert again.pin(setup) == "Be short." and any("large" in sentence for sentence in again.take_said())
    assert again.pinned is None, "from now on the user's choice holds"
    assert again.pin(larger) == "Be short." and again.take_said() == []
    again.close()


def test_what_was_taken_back_does_not_count_and_stays_in_the_log(sessions: Sessions, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    log = kept(sessions, workspace, *turn(1), *turn(2), *turn(3), events.Rewound(1), *turn(4))
    before = log.read_bytes()
    session = sessions.resume(sessions.newest(workspace), workspace)
    session.close()
    assert list(session.facts) == [*turn(1), *turn(4)]
    assert log.read_bytes() == before and b"task 3" in before


@given(st.data())
def test_a_conversation_taken_back_is_the_one_that_was_read_back(data: st.DataObject) -> None:
    facts: list[Event] = []
    live = Conversation()
    standing = 0
    for number in range(data.draw(st.integers(1, 8))):
        match data.draw(st.sampled_from(["turn", "turn", "rewind", "compact"])):
            case "rewind":
                standing = data.draw(st.integers(0, standing))
                new: list[Event] = [events.Rewound(standing)]
            case "compact" if standing:
                new = [events.Compacted((UserMessage(f"summary {number}"),), "summary", 10, 1)]
            case _:
                standing += 1
                new = turn(number)
        for fact in new:
            live.hear(fact)
        facts += new
    made: list[Line] = []
    current = 0
    for n, fact in enumerate(facts, 1):
        match fact:
            case events.TurnStarted():
                current += 1
            case events.Rewound(turns=turns):
                current = turns
            case _:
                pass
        made.append(Line(n, "", fact, current))
    assert Conversation(read_history(made).facts).messages == live.messages


MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], check=False).returncode
print(f"kilobytes={resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}", file=sys.stderr)
sys.exit(status)
"""


def test_a_log_of_a_million_lines_and_six_gigabytes_is_gone_on_with(home: Path) -> None:
    with bench(home, *[says("here")] * 3) as b:
        b.exec("go")
        (folder,) = folders(b)
        log = folder / "events.jsonl"
        _inflate(log)
        assert log.stat().st_size > 6_000_000_000
        started = time.monotonic()
        process = subprocess.Popen(
            # A child of a small process: what this one needs counts in the figures of its own children.
            [sys.executable, "-c", MEASURE, str(BIN / "vtcode"), "exec", "--continue", "go"],
            env=b.environment,
            cwd=b.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stderr is not None
        said = process.stderr.read()
        answer = process.stdout.read()
        process.wait()
        seconds = time.monotonic() - started
        assert process.returncode == 0 and answer == "here\n", said
        assert "skipped" in said and "left unread" in said
        assert int(said.rpartition("kilobytes=")[2]) < 500_000
        assert seconds < 5
        started = time.monotonic()
        assert vtcode(b, "sessions", "list").stdout.startswith(folder.name)
        assert time.monotonic() - started < 5


def _inflate(log: Path) -> None:
    """Make a log long: a hole that reads as one endless line, then a million lines, some of them no facts."""
    head = log.read_bytes()
    with log.open("r+b") as file:
        file.seek(6_000_000_000)
        file.write(b"\n")
        n = 100
        for number in range(2, 1002):
            block: list[bytes] = []
            for _ in range(111):
                facts = turn(number)
                block += [
                    encode(Line(n + at, "2026-01-02T03:04:05.000Z", fact, number)) for at, fact in enumerate(facts)
                ]
                n += len(facts)
            block += [b"garbage\n", head.splitlines(keepends=True)[-1]] * 5
            file.write(b"".join(block))
