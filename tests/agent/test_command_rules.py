"""Which command lines the rules of [commands] allow and deny; what a line would run, compared with bash itself."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.agent.runs import turn_events
from tests.agent.support import Bench, bench, call, says
from vtcode.approval import Policy
from vtcode.bash import read_line
from vtcode.command_rules import Ruling, rule_on
from vtcode.events import ToolFinished
from vtcode.messages import Status
from vtcode.settings import CommandRules

ALLOWING = CommandRules(
    allow_list=("cargo test",),
    allow_glob=("ls *", "cat *", "grep *", "find *", "rg *", "sed *", "echo *", "git *"),
    sources={"allow_list:cargo test": "vtcode.toml"},
)
DENYING = CommandRules(deny_list=("rm", "git push"), deny_glob=("curl *", "*secret*"), allow_glob=("*",))


def policy(ruling: Ruling) -> Policy | None:
    return ruling.verdict.policy if ruling.verdict is not None else None


@pytest.mark.parametrize(
    "line",
    [
        "cargo test",
        "ls",
        "ls -la src",
        "git log -n 3 | grep 'a b' && ls",
        'git commit -m "two\nlines"',
        "ls\ngit status\n",
        "git stat'us'",
        "  ls ;",
        "echo 12 a=b --x=y",
    ],
)
def test_a_plain_line_is_allowed_when_each_of_its_commands_is(line: str) -> None:
    assert policy(rule_on(ALLOWING, line)) is Policy.ALLOW


@pytest.mark.parametrize(
    "line",
    [
        *("cargo test -p x", "cargo", "cargo testx", "lsx", "gitx status", "'git log'", "./ls", "/tmp/ls"),
        *("ls; touch M", "ls && touch M", "ls || touch M", "ls & touch M", "ls |& cat", "touch M | ls"),
        *(
            "ls\rtouch M",
            "ls \r",
            "echo $(touch M)",
            "echo `touch M`",
            'echo "a$(touch M)"',
            "cat <<E\n$(touch M)\nE",
        ),
        *("find . -{delete,}", "{touch,M}", "find . *", "rg x *", "ls ~", "ls ?", "ls [a]", "echo a\\ b"),
        *("LD_PRELOAD=./x.so ls", "PATH=.:$PATH ls", "echo ${a@P}", "echo ${x:=$(touch M)}", "echo ${!x}", "echo $x"),
        *("ls() { touch M; }; ls", "alias ls='touch M'\nls", "time ls", "! ls", "coproc ls", "(ls)", "{ ls; }"),
        *("ls > M", ">M ls", "ls 2>M", "ls &>>M", "ls >|M", "cat <>M", "git show > ~/.ssh/k", "ls <(touch M)"),
        *("ls # safe\ntouch M", "ls # '\n touch M #'", "if ls; then ls; fi", "for x in a; do ls; done", "[ -f x ]"),
        *("l\u0455", "ls\u00a0x", "ls\u200d", "\uff4cs", "ls \u202e", "echo 'open", 'echo "open', "ls &&", "", "  "),
        *("echo $'a'", 'echo $"a"', "echo a\\\nb", "echo !x", "A=1", "echo a >&2", "ls;;ls", "((1))", "[[ a ]]"),
    ],
)
def test_a_line_that_is_more_than_its_allowed_commands_is_not_allowed(line: str) -> None:
    assert policy(rule_on(ALLOWING, line)) is None


@pytest.mark.parametrize(
    "line", ["sudo ls", "env ls", "sh -c ls", "eval ls", "xargs ls", "exec ls", "source x", ". x", "printf -v PATH ."]
)
def test_a_glob_covers_what_can_run_anything_only_by_its_name(line: str) -> None:
    assert policy(rule_on(CommandRules(allow_glob=("*", "s* *", "e*", "* ls")), line)) is None
    named = CommandRules(allow_glob=(f"{line.split()[0]} *",))
    assert (policy(rule_on(named, line)) is Policy.ALLOW) == (not line.startswith("printf"))
    assert policy(rule_on(CommandRules(allow_list=(line,)), line)) is Policy.ALLOW


@pytest.mark.parametrize(
    "line",
    [
        *(
            "rm",
            "rm x",
            "\\rm x",
            "r''m x",
            '"rm" x',
            "r\\m x",
            "/bin/rm x",
            "./rm x",
            "command rm x",
            "env A=1 rm x",
        ),
        *("busybox rm x", "sudo -u me rm x", "timeout 5 rm x", "xargs rm", "find . -exec rm {} \\;", "exec rm x"),
        *("(rm x)", "{ rm x; }", "if true; then rm x; fi", "while rm x; do :; done", "f() { rm x; }; f", "! rm x"),
        *("sh -c 'rm x'", "bash -lc 'cd y && rm x'", "sh -c \"sh -c 'rm x'\"", "eval 'rm x'", "eval rm x"),
        *("$(rm x)", "`rm x`", 'echo "$(rm x)"', "cat <<E\n$(rm x)\nE", "cat <(rm x)", "A=$(rm x)", "A=1 rm x"),
        *("ls; rm x", "ls && rm x", "ls | rm x", "ls & rm x", "rm x > y", "rm $x", "rm *", "trap 'rm x' EXIT"),
        *("ls\nrm x", "case a in a) rm x;; esac", "coproc rm x", "time rm x", "echo 'open; rm x", "echo ) ; rm x"),
        *("git -C . push", "git --no-pager push", "git -c a=b -C . push -f", "/usr/bin/git -P push"),
        *("systemd-run rm x", "script -qc 'rm x' y", "runuser -u me -- rm x", "ssh host rm x", "fish -c 'rm x'"),
        *("shopt -s expand_aliases\nalias ls='rm x'\nls", "hash -p /bin/rm ls; ls x", "mapfile -C 'rm x' -c 1 a"),
        *("let 'a[$(rm x)]=1'", "test -v 'a[$(rm x)]'", "[ -v 'a[`rm x`]' ]", "[[ -v 'a[$(rm x)]' ]]"),
        *(
            "printf -v 'a[$(rm x)]' y",
            "read 'a[$(rm x)]' < f",
            "declare -n x='a[$(rm x)]'",
            "A='$(rm x)'; echo ${A@P}",
        ),
        *("git push", "git push --force", "curl", "curl -s x", "echo secrets", "rm \u202e", "rm\rx; rm y"),
    ],
)
def test_a_deny_meets_a_command_wherever_it_stands_in_the_line(line: str) -> None:
    assert policy(rule_on(DENYING, line)) is Policy.DENY


@pytest.mark.parametrize(
    "line",
    [
        "rmdir x",
        "git pull",
        "git log --grep push",
        "grep '$(rm x)' f",
        "echo rm",
        "ls rm",
        "git commit -m 'rm x'",
        "curlx",
    ],
)
def test_a_deny_leaves_alone_what_it_does_not_name(line: str) -> None:
    assert policy(rule_on(DENYING, line)) is Policy.ALLOW


@pytest.mark.parametrize(
    "line",
    ["$X y", "echo x | sh", "bash <<E\nls\nE", 'sh -c "$x"', "r? x", "$'\\x72m' x", "if", "ls " + "x" * 40_000],
)
def test_where_commands_are_denied_a_line_that_hides_what_it_runs_is_asked(line: str) -> None:
    ruling = rule_on(DENYING, line)
    assert policy(ruling) is None and ruling.caution is not None
    assert rule_on(ALLOWING, line) == Ruling()


@pytest.mark.parametrize(
    "character", ["\0", "\r", "\x1b", "\u202e", "\u200b", "\u00a0", "\u2028", "\ue000", "\ud800"]
)
def test_characters_that_do_not_show_are_named_and_asked_whatever_is_allowed(character: str) -> None:
    line = f"ls {character}x"
    for rules in (CommandRules(), ALLOWING, CommandRules(allow_list=(line,))):
        ruling = rule_on(rules, line)
        assert ruling.verdict is None
        assert ruling.caution is not None and f"U+{ord(character):04X}" in ruling.caution


def test_a_verdict_names_its_rules_and_where_they_are_from() -> None:
    ruling = rule_on(ALLOWING, "cargo test && ls -l && ls")
    assert ruling.verdict is not None
    assert ruling.verdict.rule == 'commands.allow_list "cargo test" (vtcode.toml), commands.allow_glob "ls *"'


@pytest.mark.parametrize("count", [51, 5_000])
def test_a_long_chain_is_judged_to_its_end_and_quickly(count: int) -> None:
    rule_on(DENYING, "ls")
    started = time.process_time()
    assert policy(rule_on(DENYING, "ls; " * count + "rm x")) is Policy.DENY
    assert policy(rule_on(ALLOWING, "ls; " * count + "touch x")) is None
    assert policy(rule_on(ALLOWING, "ls; " * count)) is Policy.ALLOW
    assert time.process_time() - started < 1


@pytest.mark.parametrize("opening", ["(", "$(", "{ ", "if ", "'", '"$(', "((", "`", "<(", "a |", "[[ "])
def test_deep_nesting_is_judged_quickly(opening: str) -> None:
    started = time.process_time()
    assert policy(rule_on(ALLOWING, opening * 5_000)) is None
    assert policy(rule_on(DENYING, opening * 5_000 + " rm x")) is not Policy.ALLOW
    assert time.process_time() - started < 2


def test_without_rules_nothing_is_said() -> None:
    assert rule_on(CommandRules(), "rm -rf $(x)") == Ruling()


# Against bash -------------------------------------------------------------------------------------------

PIECES = (
    *("A", "B", "a", "b", "-x", "1", "0", "x=y", "=", "ls", "echo", "time", "if", "then", "fi", "do", "in", "eval"),
    *(" ", " ", " ", " ", "  ", "\t", "\n", ";", "&&", "||", "|", "&", "'", '"', "'a b'", '"c d"', "''", '""', "\\"),
    *("#", "$", "$a", "`", "(", ")", "{", "}", "{a,b}", "*", "?", "[", "]", "~", "!", "^", "%", "+", "@", ",", ":"),
    *("<", ">", ">>", "<<", "|&", ";;", "\r", "\u00e4", "\u3000", "coproc", "[[", "2", ".", "/", "-", "--", "\\\n"),
)

DRIVER = r"""
report() { local IFS=$'\1'; printf '%s\2' "$*" >&3; return $status; }
command_not_found_handle() { report "$@"; }
eval() { report eval "$@"; }; echo() { report echo "$@"; }; .() { report . "$@"; }; :() { report : "$@"; }
export -f report command_not_found_handle eval echo . :
export PATH=/nonexistent
for line; do
  for status in 0 1; do export status; "$BASH" --norc --noprofile -c -- "$line"; done
  printf '\3' >&3
done
"""
"""Runs each line twice, with programs that succeed and with programs that fail, so that each command of a list is
run. Each program tells its words, and nothing else happens."""


def bash_runs(lines: Sequence[str], folder: Path) -> list[set[tuple[str, ...]]]:
    bash = shutil.which("bash")
    assert bash is not None
    # A file whose name is an option: a glob would pick it up.
    (folder / "-exec").touch()
    reading, writing = os.pipe()
    found = bytearray()
    with subprocess.Popen(
        [bash, "-c", f"exec 3>&{writing}; {DRIVER}", bash, *lines],
        cwd=folder,
        env={"LANG": "C.UTF-8"},
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        os.close(writing)
        while chunk := os.read(reading, 1 << 16):
            found += chunk
    os.close(reading)
    told = found.decode().split("\3")[:-1]
    return [{tuple(words.split("\1")) for words in line.split("\2")[:-1]} for line in told]


def test_the_commands_of_a_plain_line_are_those_that_bash_runs(tmp_path: Path) -> None:
    chance = random.Random(2_026)
    lines: list[str] = []
    while len(lines) < int(os.environ.get("VTCODE_FUZZ_LINES", "300")):
        line = "".join(chance.choices(PIECES, k=chance.randint(1, 9)))
        read = read_line(line)
        # What has a folder in its name cannot be stood in for.
        if len(line) > 2 and read.is_plain and not any("/" in words[0] for words in read.commands):
            lines.append(line)
    for first in range(0, len(lines), 500):
        batch = lines[first : first + 500]
        for line, ran in zip(batch, bash_runs(batch, tmp_path), strict=True):
            assert set(read_line(line).commands) == ran, repr(line)


# In a run -----------------------------------------------------------------------------------------------


def outcomes(it: Bench, rules: CommandRules, *, full_auto: bool = False) -> list[tuple[Status, str]]:
    """Run one turn; tell how each call ended."""
    told = turn_events(it, full_auto=full_auto, commands=rules)
    return [(event.result.status, event.result.text) for event in told if isinstance(event, ToolFinished)]


def test_in_a_run_an_allowed_command_needs_no_answer_and_a_denied_one_never_runs(tmp_path: Path) -> None:
    rules = CommandRules(allow_glob=("echo *",), deny_list=("touch",), sources={"deny_list:touch": "vtcode.toml"})
    lines = ("echo hello", "echo a && touch M", "touch M", "sleep 0", "echo $(cat x)")
    calls = [call("run_terminal_cmd", command=line) for line in lines]
    with bench(tmp_path, *calls, says("Done."), *calls, says("Done.")) as it:
        asked = outcomes(it, rules)
        auto = outcomes(it, rules, full_auto=True)
        assert not (it.workspace / "M").exists()
    assert [status for status, _ in asked] == [Status.OK, *[Status.DENIED] * 4]
    assert [status for status, _ in auto] == [Status.OK, Status.DENIED, Status.DENIED, Status.OK, Status.OK]
    assert 'commands.deny_list "touch" (vtcode.toml)' in asked[1][1]
    assert asked[0][1] == "exit code 0\nhello"


def test_in_a_run_what_does_not_show_is_asked_even_in_full_auto(tmp_path: Path) -> None:
    odd = call("run_terminal_cmd", command="touch M # \u202e")
    with bench(tmp_path, odd, says("Done.")) as it:
        ((status, text),) = outcomes(it, CommandRules(allow_glob=("*",)), full_auto=True)
        assert not (it.workspace / "M").exists()
    assert status is Status.DENIED and "U+202E" in text
