"""`vtcode rewind`, from outside."""

from pathlib import Path

from tests.agent.sessions import folders, logged, vtcode
from tests.agent.support import Bench, bench, call, says

TURNS = (
    call("write_file", path="new.txt", content="made\n"),
    says("Made."),
    call("edit_file", path="a.txt", old_str="one", new_str="two"),
    says("Changed."),
    call("run_terminal_cmd", command="echo hi"),
    says("Ran."),
    says("Fourth."),
)


def three_turns(b: Bench) -> Path:
    b.write("a.txt", "one\r\n")
    for task, flags in (("make it", []), ("change it", ["--continue"]), ("run it", ["--continue"])):
        assert b.exec(task, "--full-auto", *flags).returncode == 0
    (folder,) = folders(b)
    return folder


def test_the_turns_are_listed_with_what_they_did(home: Path) -> None:
    with bench(home, *TURNS) as b:
        folder = three_turns(b)
        ended = vtcode(b, "rewind")
        assert ended.returncode == 0 and folder.name in ended.stderr
        first, second, third = ended.stdout.splitlines()
        assert "make it" in first and "[new.txt]" in first and "(" not in first
        assert "change it" in second and "[a.txt]" in second
        assert "run it" in third and "(run_terminal_cmd)" in third


def test_a_dry_run_shows_what_would_change_and_changes_nothing(home: Path) -> None:
    with bench(home, *TURNS) as b:
        folder = three_turns(b)
        log = (folder / "events.jsonl").read_bytes()
        ended = vtcode(b, "rewind", "--to", "0", "--dry-run")
        assert ended.returncode == 0
        for words in ("-two", "+one", "restore    a.txt", "remove     new.txt", "turn 3: run_terminal_cmd"):
            assert words in ended.stdout
        assert (b.workspace / "a.txt").read_bytes() == b"two\r\n" and (b.workspace / "new.txt").exists()
        assert (folder / "events.jsonl").read_bytes() == log


def test_files_and_conversation_go_back_together(home: Path) -> None:
    with bench(home, *TURNS) as b:
        folder = three_turns(b)
        before = (folder / "events.jsonl").read_bytes()
        ended = vtcode(b, "rewind", "--to", "1")
        assert ended.returncode == 0 and "commands" in ended.stdout
        assert (b.workspace / "a.txt").read_bytes() == b"one\r\n" and (b.workspace / "new.txt").exists()
        assert (folder / "events.jsonl").read_bytes().startswith(before), "the log loses no line"
        events, _ = b.events("change it again", "--continue", "--full-auto")
        assert events[-1]["text"] == "Changed.", "the model has heard of one turn"
        assert (b.workspace / "a.txt").read_bytes() == b"two\r\n"
        assert len(vtcode(b, "rewind").stdout.splitlines()) == 2
        assert vtcode(b, "rewind", "--to", "0").returncode == 0
        assert [path.name for path in b.workspace.iterdir()] == ["a.txt"]
        assert (b.workspace / "a.txt").read_bytes() == b"one\r\n"


def test_the_files_alone_or_the_conversation_alone_go_back(home: Path) -> None:
    with bench(home, *TURNS) as b:
        folder = three_turns(b)
        assert vtcode(b, "rewind", "--to", "1", "--files").returncode == 0
        assert (b.workspace / "a.txt").read_bytes() == b"one\r\n"
        assert not [fact for fact in logged(folder) if fact["type"] == "rewound"]
        (b.workspace / "a.txt").write_bytes(b"by hand\r\n")
        assert vtcode(b, "rewind", "--to", "1", "--conversation").returncode == 0
        assert (b.workspace / "a.txt").read_bytes() == b"by hand\r\n"
        assert [fact["turns"] for fact in logged(folder) if fact["type"] == "rewound"] == [1]


def test_one_file_that_somebody_else_changed_keeps_all_from_going_back(home: Path) -> None:
    with bench(home, *TURNS) as b:
        folder = three_turns(b)
        (b.workspace / "a.txt").write_bytes(b"by hand")
        before = (folder / "events.jsonl").read_bytes()
        ended = vtcode(b, "rewind", "--to", "0")
        assert ended.returncode == 1 and "a.txt" in ended.stdout and "--force" in ended.stdout
        assert (b.workspace / "a.txt").read_bytes() == b"by hand" and (b.workspace / "new.txt").exists()
        assert (folder / "events.jsonl").read_bytes() == before
        assert vtcode(b, "rewind", "--to", "0", "--force").returncode == 0
        assert (b.workspace / "a.txt").read_bytes() == b"one\r\n" and not (b.workspace / "new.txt").exists()


def test_a_turn_that_there_is_none_of_is_refused(home: Path) -> None:
    with bench(home, says("one")) as b:
        b.exec("go")
        for wrong in ("2", "-1"):
            ended = vtcode(b, "rewind", "--to", wrong)
            assert ended.returncode == 2 and "turns 0 to 1" in ended.stderr


def test_rewinding_needs_no_version_control_and_leaves_it_alone(home: Path) -> None:
    with bench(home, *TURNS) as b:
        three_turns(b)
        git = b.write(".git/HEAD", "ref: refs/heads/main\n")
        assert vtcode(b, "rewind", "--to", "0").returncode == 0
        assert git.read_text() == "ref: refs/heads/main\n" and len(list((b.workspace / ".git").iterdir())) == 1
