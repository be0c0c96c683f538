"""The commands that ask a running server, and what all commands have in common."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.conftest import MODEL, Script
from tests.server.ggufmaker import model
from tests.support.processes import BIN, RunningServer, clean_environment, run, running_server

COMMANDS = ["get", "import", "ls", "server", "server start", "server stop", "server status"]
COMMANDS += ["ps", "load", "unload", "chat", "log", "completion"]


# All commands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(command: str, home: Path) -> None:
    ended = run(["lmstudio", *command.split(), "--help"], clean_environment(home))
    assert ended.returncode == 0 and "\nexamples:\n" in ended.stdout and ended.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "a", "b"],
        ["server"],
        ["server", "start", "--keep", "0"],
        ["server", "stop", "--wait", "nan"],
        ["load"],
        ["load", "x", "--gpu", "2"],
        ["unload", "x", "--all"],
        ["log", "-n", "x"],
        ["completion", "fish?"],
        ["ps", "--port", "70000"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], home: Path) -> None:
    ended = run(["lmstudio", *arguments], clean_environment(home))
    assert ended.returncode == 2 and ended.stdout == "" and "Traceback" not in ended.stderr


def test_help_and_ls_start_without_what_the_server_needs(home: Path) -> None:
    heavy = ("httpx2", "huggingface_hub", "prompt_toolkit", "rich", "starlette", "uvicorn")
    for arguments in (["--help"], ["ls"]):
        code = (
            f"import sys; sys.argv = ['lmstudio', *{arguments}]\n"
            "from lmserver.__main__ import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            f"print(*(name for name in {heavy} if name in sys.modules), file=sys.stderr)"
        )
        command = [str(BIN / "python"), "-P", "-c", code]
        ended = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True, check=True)
        assert ended.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_the_commands(shell: str, home: Path) -> None:
    ended = run(["lmstudio", "completion", shell], clean_environment(home))
    assert ended.returncode == 0
    assert "start stop status" in ended.stdout or "status:" in ended.stdout
    assert "--detached-log" not in ended.stdout
    if shell == "bash":
        assert "--context-length" in ended.stdout
        subprocess.run(["bash", "-n"], input=ended.stdout, text=True, check=True)


def test_bash_completes_a_word(home: Path) -> None:
    script = run(["lmstudio", "completion", "bash"], clean_environment(home)).stdout
    script += '\nCOMP_WORDS=(lmstudio server st); COMP_CWORD=2; _shtab_lmstudio; echo "${COMPREPLY[@]}"'
    ended = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=True)
    assert ended.stdout.split() == ["start", "stop", "status"]


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    environment = clean_environment(home)
    command = f"{BIN / 'lmstudio'} completion bash | head -1"
    ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == "" and len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize(("target", "status"), [(">/dev/full", 1), (">&-", 0)])
def test_output_that_cannot_be_written_is_no_trace(target: str, status: int, home: Path) -> None:
    command = f"{BIN / 'lmstudio'} ls --json {target}"
    ended = subprocess.run(
        ["bash", "-c", command], env=clean_environment(home), capture_output=True, text=True, check=False
    )
    assert ended.returncode == status
    assert ended.stderr == ("lmstudio: No space left on device\n" if status else "")


def test_a_terminal_that_lacks_a_character_gets_its_number(home: Path) -> None:
    folder = home / "models/someone/größe"
    folder.mkdir(parents=True)
    (folder / "größe.gguf").write_bytes(model())
    ended = run(["lmstudio", "ls"], clean_environment(home, {"PYTHONIOENCODING": "ascii"}))
    assert ended.returncode == 0 and "gr\\xf6\\xdfe" in ended.stdout


# Without a server ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["ps"], ["load", "x"], ["unload"], ["chat", "-p", "Hi"]])
def test_a_server_that_does_not_run_is_said_with_how_to_start_it(arguments: list[str], home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_BASE_URL": "http://127.0.0.1:9/v1"})
    ended = run(["lmstudio", *arguments], environment)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "lmstudio: No server answers at http://127.0.0.1:9. Start one with `lmstudio server start --detach`.\n"
    )


def test_an_address_that_is_none_is_said(home: Path) -> None:
    ended = run(["lmstudio", "ps"], clean_environment(home, {"LMSTUDIO_BASE_URL": "localhost:1234"}))
    assert ended.returncode == 1 and "LMSTUDIO_BASE_URL holds 'localhost:1234', which is not a URL" in ended.stderr


# chat ---------------------------------------------------------------------------------------------------


def to(server: RunningServer, home: Path, **extra: str) -> dict[str, str]:
    return clean_environment(home, {"LMSTUDIO_BASE_URL": server.url} | extra)


@pytest.fixture
def scripted(home: Path, script: Script) -> Iterator[RunningServer]:
    path = script.write(
        {"reasoning": "Let me see.", "text": "Hello \x1b[31mred\x07 \u202e👩‍💻\n\tone"},
        {"text": "Second. " + "word " * 200, "delay": 0.05},
        {"text": "Third."},
    )
    with running_server(clean_environment(home), home / "server.log", "--script", str(path)) as server:
        yield server


def test_one_question_has_its_reply_on_standard_output(scripted: RunningServer, home: Path) -> None:
    environment = to(scripted, home)
    ended = run(["lmstudio", "chat", "scripted", "-p", "Hi", "--stats"], environment)
    assert ended.returncode == 0
    # What could steer a terminal is shown as what it is.
    assert ended.stdout == "Hello \\x1b[31mred\\x07 \\u202e👩‍💻\n\tone\n"
    thought, stats = ended.stderr.splitlines()
    assert thought == "Let me see." and " tokens, " in stats and stats.endswith("stopped by stop")

    command = [str(BIN / "lmstudio"), "chat"]
    piped = subprocess.run(command, input="Hi", env=environment, capture_output=True, text=True, check=True)
    assert piped.stdout == ended.stdout

    reply = json.loads(run(["lmstudio", "chat", "-p", "Hi", "--json"], environment).stdout)
    assert reply["content"].startswith("Hello \x1b[31mred\x07") and reply["reasoning"] == "Let me see."
    assert reply["finish_reason"] == "stop" and reply["usage"]["completion_tokens"] > 0


def test_what_goes_wrong_is_a_sentence(scripted: RunningServer, home: Path) -> None:
    unknown = run(["lmstudio", "chat", "nothing", "-p", "Hi"], to(scripted, home))
    assert unknown.returncode == 1 and unknown.stdout == ""
    assert unknown.stderr.startswith("lmstudio: There is no model ")
    empty = run(["lmstudio", "chat", "-p", " "], to(scripted, home))
    assert empty.returncode == 1 and "the prompt is empty" in empty.stderr


def test_a_key_is_sent_and_its_lack_is_explained(home: Path, script: Script) -> None:
    path = script.write({"text": "Hello."})
    arguments = ("--script", str(path))
    with running_server(clean_environment(home), home / "server.log", *arguments, key="s3cret") as server:
        without = run(["lmstudio", "chat", "-p", "Hi"], to(server, home))
        assert without.returncode == 1 and "These commands send what LMSTUDIO_API_KEY holds." in without.stderr
        assert run(["lmstudio", "chat", "-p", "Hi"], to(server, home, LMSTUDIO_API_KEY="s3cret")).stdout == "Hello.\n"


def test_a_real_model_answers(real_server: RunningServer, home: Path) -> None:
    arguments = ["lmstudio", "chat", MODEL, "-s", "Be brief.", "-p", "Hi", "--max-tokens", "4", "--json"]
    reply = json.loads(run(arguments, to(real_server, home)).stdout)
    assert reply["content"] and reply["usage"]["completion_tokens"] == 4


@contextmanager
def terminal(server: RunningServer, home: Path, *arguments: str) -> Iterator["pexpect.spawn[str]"]:
    process = pexpect.spawn(
        str(BIN / "lmstudio"),
        ["chat", *arguments],
        env={**to(server, home), "TERM": "xterm"},
        encoding="utf-8",
        timeout=20,
        dimensions=(24, 100),
    )
    try:
        yield process
    finally:
        process.close(force=True)


def test_a_conversation_goes_on_after_a_reply_was_stopped(scripted: RunningServer, home: Path) -> None:
    with terminal(scripted, home) as t:
        t.expect("Ctrl-D ends")
        t.expect(r"\?2004h")
        t.sendline("one")
        t.expect(r"red\\x07")
        t.expect(r"\?2004h")
        t.sendline("two")
        t.expect("Second. word word")
        t.sendintr()
        t.expect(r"\(stopped\)")
        t.expect(r"\?2004h")
        # The two replies before, also the one that was stopped, are part of the conversation.
        t.sendline("three")
        t.expect(r"Third\.")
        t.expect(r"\?2004h")
        t.sendeof()
        t.expect(pexpect.EOF)
        t.wait()
        assert t.exitstatus == 0


def test_ctrl_c_ends_one_question_with_status_130(home: Path, script: Script) -> None:
    command = [str(BIN / "lmstudio"), "chat", "scripted", "-p", "Hi"]
    with (
        running_server(
            clean_environment(home),
            home / "slow.log",
            "--script",
            str(script.write({"text": "word " * 500, "delay": 0.05})),
        ) as server,
        subprocess.Popen(command, env=to(server, home), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        os.read(process.stdout.fileno(), 100)
        process.send_signal(2)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130 and errors == b"lmstudio: interrupted\n"


# ps, load, unload ---------------------------------------------------------------------------------------


def test_a_model_is_loaded_listed_and_unloaded(models: Path, home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, home / "server.log") as server:
        environment = to(server, home)
        none = run(["lmstudio", "ps"], environment)
        assert (none.returncode, none.stdout) == (0, "") and "No model is loaded" in none.stderr

        loaded = run(["lmstudio", "load", MODEL, "--context-length", "1024", "--ttl", "600"], environment)
        assert (loaded.returncode, loaded.stdout) == (0, ""), loaded.stderr
        assert loaded.stderr.startswith(f"Loaded {MODEL}")

        heading, row = run(["lmstudio", "ps"], environment).stdout.splitlines()
        assert heading.split() == "IDENTIFIER MODEL STATUS SIZE CONTEXT PARALLEL QUEUED TTL".split()
        assert row.split()[:3] == [MODEL, MODEL, "idle"] and "1024" in row.split()
        [instance] = json.loads(run(["lmstudio", "ps", "--json"], environment).stdout)
        assert instance["id"] == instance["model"] == MODEL
        assert instance["config"]["context_length"] == 1024 and instance["ttl_seconds"] == 600

        unknown = run(["lmstudio", "unload", "nothing"], environment)
        assert unknown.returncode == 1 and "nothing" in unknown.stderr and "Traceback" not in unknown.stderr
        unloaded = run(["lmstudio", "unload"], environment)
        assert (unloaded.returncode, unloaded.stderr) == (0, f"Unloaded {MODEL}.\n")
        assert json.loads(run(["lmstudio", "ps", "--json"], environment).stdout) == []
        assert run(["lmstudio", "unload"], environment).returncode == 1
        assert run(["lmstudio", "unload", "--all"], environment).returncode == 0


def test_a_model_that_is_not_there_cannot_be_loaded(real_server: RunningServer, home: Path) -> None:
    ended = run(["lmstudio", "load", "nothing"], to(real_server, home))
    assert ended.returncode == 1 and "There is no model 'nothing' here" in ended.stderr
