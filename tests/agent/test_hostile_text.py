"""Text that would steer a terminal, from wherever text comes: none of it reaches the terminal as it is."""

import contextlib
import json
import os
import pty
import re
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.agent.recording import stream
from tests.agent.support import Reply, call, says
from tests.support.faults import fault_server, response
from tests.support.processes import BIN, clean_environment

STEERS = "\x1b]0;canary\x07\x1b[?1049h\x1b[5mX\x9b2J\u202eevil\u2066\u200b\x08\r\x7f\u2028"
"""Sets a title, changes screens, blinks, clears (in C1), turns text round, hides, goes back."""
NAME = STEERS.replace("/", "")

RAW = tuple(
    sequence.encode()
    for sequence in ("\x1b]", "\x1b[?1049", "\x1b[5m", "\x9b", "\u202e", "\u2066", "\u200b", "\x08", "\x07", "\u2028")
)


QUESTION = re.compile(rb"instead: |Your answer: |\[y/N\] ")


def shown(command: list[str], environment: Mapping[str, str], folder: Path, answer: bytes = b"n") -> bytes:
    """Run a program at a terminal of its own, answer what it asks, and return every byte that came to it."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [str(BIN / command[0]), *command[1:]],
        env={**environment, "TERM": "xterm"},
        cwd=folder,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    data, answered = b"", 0
    with contextlib.suppress(OSError):
        while select.select([ours], [], [], 20)[0] and (piece := os.read(ours, 65536)):
            data += piece
            if len(QUESTION.findall(data)) > answered:
                answered += 1
                os.write(ours, answer + b"\n")
    os.close(ours)
    try:
        assert process.wait(5) in {0, 1, 2, 3}, data
    finally:
        process.kill()
        process.wait()
    return data


def raw(data: bytes) -> list[bytes]:
    return [sequence for sequence in RAW if sequence in data]


class Place:
    """A home and a workspace in which every name and every text steers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / f"work{NAME}"
        self.work.mkdir()
        (self.work / f"f{NAME}.txt").write_text(STEERS)
        self.environment = clean_environment(home)
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(self.work)]
        for command in (["init", "-q", "-b", "b\u202ex\u200b"], ["add", "-A"], ["commit", "-qm", STEERS]):
            subprocess.run([*git, *command], check=True)
        (self.work / f"f{NAME}.txt").write_text(f"{STEERS}\nmore\n")

    @contextlib.contextmanager
    def model(self, *replies: Reply | bytes, model: str = f"m{STEERS}") -> Iterator[None]:
        given = iter(replies)

        def answer(request: bytes) -> bytes:
            reply = next(given, says(STEERS))
            return reply if isinstance(reply, bytes) else stream(reply)

        listing = response(200, json.dumps({"data": [{"id": model, "owned_by": STEERS}]}).encode())
        with fault_server(answer, listing=listing) as server:
            self.environment["LMSTUDIO_BASE_URL"] = server.url
            yield

    def shown(self, *command: str, answer: bytes = b"n") -> bytes:
        return shown(["vtcode", *command], self.environment, self.work, answer)


@pytest.fixture
def place(home: Path) -> Place:
    return Place(home)


def test_what_steers_is_known_when_it_is_there(place: Place) -> None:
    (place.work / "p.py").write_text(f"print({STEERS!r}, flush=True)")
    assert set(raw(shown(["python", "p.py"], place.environment, place.work))) == set(RAW)


CALLS = {
    "a reply": says(STEERS),
    "reasoning": {"text": f"<think>{STEERS}</think>{STEERS}"},
    "a command": call("run_terminal_cmd", command=f"echo '{STEERS}'"),
    "what a command prints": call("run_terminal_cmd", command="cat f*; ls; git branch; git log"),
    "a command that fails": call("run_terminal_cmd", command=f"cat 'no{STEERS}'"),
    "a file that is read": call("read_file", path=f"f{NAME}.txt"),
    "a file that is not there": call("read_file", path=f"no{NAME}"),
    "a list": call("list_files"),
    "a search": call("grep_file", pattern="evil"),
    "a bad pattern": call("grep_file", pattern=f"({STEERS}"),
    "a file that is written": call("write_file", path=f"new{NAME}", content=STEERS),
    "an edit": call("edit_file", path=f"f{NAME}.txt", old_str="more", new_str=STEERS),
    "an edit that fails": call("edit_file", path=f"f{NAME}.txt", old_str=f"absent{STEERS}", new_str="x"),
    "a patch": call("apply_patch", patch=f"*** Begin Patch\n*** Add File: p{NAME}\n+{STEERS}\n*** End Patch"),
    "a bad patch": call("apply_patch", patch=f"*** {STEERS}"),
    "a tool that is not there": call(STEERS, x=STEERS),
    "arguments that are not there": call("read_file", **{STEERS: STEERS}),
    "a plan": call("update_plan", plan=[{"step": STEERS, "status": "pending"}]),
    "a plan of another form": call("update_plan", items=STEERS, steps=[STEERS]),
    "a question": call("ask_user", question=STEERS),
    "an error of the server": response(400, json.dumps({"error": {"message": STEERS, "code": STEERS}}).encode()),
    "an error that is a page": response(404, STEERS.encode(), kind="text/html"),
    "an answer that is none": response(200, STEERS.encode(), kind="text/plain"),
}


ENDS = [source for source, reply in CALLS.items() if isinstance(reply, bytes) or "calls" not in reply]


@pytest.mark.parametrize("source", ENDS)
def test_nothing_that_ends_a_turn_steers_the_terminal(place: Place, source: str) -> None:
    with place.model(CALLS[source]):
        data = place.shown("-c", "ui.show_reasoning=true", "exec", "go")
    assert raw(data) == [] and (b"\\x1b" in data or b"\\u{202e}" in data), data


@pytest.mark.parametrize("answer", [b"y", b"n"])
@pytest.mark.parametrize("flags", [(), ("--full-auto",)])
def test_no_call_that_a_model_makes_steers_the_terminal(place: Place, flags: tuple[str, ...], answer: bytes) -> None:
    calls = {source: reply for source, reply in CALLS.items() if source not in ENDS}
    with place.model(*calls.values()):
        data = place.shown("exec", *flags, "go", answer=answer)
    assert raw(data) == []
    assert data.count("→ ".encode()) + data.count(b"asks to run") >= len(calls) - 6, data
    assert data.count(b"\\x1b]0;canary") > len(calls) // 2


def test_a_letter_of_another_alphabet_is_marked_where_a_person_decides(place: Place) -> None:
    with place.model(call("run_terminal_cmd", command="l\u0455 -la")):
        assert b"l\\u{455} -la" in place.shown("exec", "go")


COMMANDS = [
    ("models",),
    ("models", "list"),
    ("doctor",),
    ("sessions", "list"),
    ("sessions", "list", "--all"),
    ("sessions", "show", "{session}"),
    ("sessions", "export", "{session}"),
    ("sessions", "show", f"no{STEERS}"),
    ("rewind", "--list"),
    ("approvals", "list"),
    ("approvals", "log"),
    ("approvals", "revoke", STEERS),
    ("config", "show"),
    ("config", "files"),
    ("trust",),
    ("trust", "--yes"),
    ("trust", "--list"),
    ("mcp", "list"),
    ("init",),
    ("review",),
    ("exec", "--resume", f"x{STEERS}", "go"),
    ("exec", "-c", f"agent.{STEERS}=1", "go"),
    ("exec", "-c", f'agent.default_model="{NAME}"', "go"),
    ("exec", "--config", f"{STEERS}.toml", "go"),
    ("exec", "--provider", STEERS, "go"),
    ("exec", "--model", STEERS, "go"),
    ("exec", "--output-last-message", f"no/{NAME}", "go"),
    ("ask", "--schema", f"no{NAME}", "go"),
    ("--workspace", f"no{NAME}", "exec", "go"),
    ("mcp", "add", STEERS),
    ("mcp", "remove", STEERS),
    (f"no{STEERS}",),
    ("exec", f"--no{STEERS}", "go"),
    ("models", "show", f"no{STEERS}"),
]

CONFIG = f"""
[agent]
default_model = {json.dumps("m" + STEERS)}
"k{json.dumps(STEERS)[1:-1]}" = 1
[tools.policies]
write_file = "allow"
"{json.dumps(STEERS)[1:-1]}" = "allow"
run_terminal_cmd = {json.dumps(STEERS)}
[commands]
allow_list = [{json.dumps(STEERS)}]
[mcp.servers."{json.dumps("s" + STEERS)[1:-1]}"]
command = {json.dumps(STEERS)}
args = [{json.dumps(STEERS)}]
""".replace("\x7f", "\\u007f")


def obeyed(place: Place, commands: Sequence[tuple[str, ...]], session: str = "") -> dict[tuple[str, ...], bytes]:
    """Run commands of ours, and return those that let something through."""
    found: dict[tuple[str, ...], bytes] = {}
    for command in commands:
        data = place.shown(*(part.replace("{session}", session) for part in command))
        if raw(data):
            found[command] = data
    return found


@pytest.mark.parametrize("config", ["", CONFIG], ids=["no configuration", "a configuration"])
def test_no_command_of_ours_prints_what_steers(place: Place, config: str) -> None:
    replies = [call("write_file", path=f"new{NAME}", content=STEERS), call("run_terminal_cmd", command=STEERS)]
    with place.model(*replies):
        place.shown("exec", "--full-auto", f"go {STEERS}")
        session = place.shown("sessions", "list").split()[0].decode()
        (place.work / "vtcode.toml").write_text(config)
        commands = [command for command in COMMANDS if not config or NAME not in "".join(command)]
        assert obeyed(place, commands, session) == {}


@pytest.mark.parametrize("config", [f"x = {STEERS}", f'[agent]\nprovider = "{NAME}'])
def test_no_file_that_is_broken_prints_what_steers(place: Place, config: str) -> None:
    (place.work / "vtcode.toml").write_text(config)
    assert obeyed(place, [("exec", "go"), ("config", "files"), ("trust",), ("doctor",)]) == {}


def test_no_command_of_the_server_prints_what_steers(place: Place) -> None:
    models = place.home / "models" / "o"
    models.mkdir(parents=True)
    (models / f"m{NAME}.gguf").write_bytes(b"GGUF" + bytes(100))
    (models / f"bad{NAME}.gguf").write_text(STEERS)
    (place.work / f"i{NAME}.gguf").write_text(STEERS)
    commands = [
        ("ls",),
        ("import", f"i{NAME}.gguf"),
        ("import", f"no{NAME}.gguf"),
        ("get", STEERS),
        ("load", STEERS),
        ("unload", STEERS),
        ("ps",),
        ("log",),
        ("key", "add", STEERS),
        ("key", "ls"),
        ("server", "status"),
        ("server", "start", "--host", STEERS),
        (f"no{STEERS}",),
        ("ls", f"--no{STEERS}"),
    ]
    found = {command: shown(["lmstudio", *command], place.environment, place.work) for command in commands}
    assert {command: data for command, data in found.items() if raw(data)} == {}
