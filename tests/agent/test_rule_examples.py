"""Rules of [commands] that carry their own examples, and those that have a command asked about."""

from pathlib import Path

import pytest

from tests.agent.desk import Desk
from vtcode.approval import Policies, Policy, Verdict, judge
from vtcode.command_rules import rule_on


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path.resolve())


RULE = """
[[commands.rules]]
glob = "git status *"
decision = "allow"
match = ["git status", "git status -s"]
no_match = ["git statusx", "git status; rm x", "git -c core.fsmonitor=x status"]

[[commands.rules]]
glob = "git push *"
decision = "prompt"
match = ["git push", "sudo git push -f", "cd x && git push"]
no_match = ["git pull"]

[[commands.rules]]
glob = "rm *"
decision = "deny"
match = ["rm -rf x", "ls; rm x", "sh -c 'rm x'"]
"""


def test_rules_with_examples_decide_as_they_say(desk: Desk) -> None:
    desk.user(RULE)
    rules = desk.load().commands
    assert rule_on(rules, "git status -s").verdict == Verdict(
        Policy.ALLOW, f'commands.allow_glob "git status *" ({desk.home}/.config/vtcode/vtcode.toml)'
    )
    pushed = rule_on(rules, "git status && git push").verdict
    assert pushed is not None and pushed.policy is Policy.PROMPT and "git push *" in pushed.rule
    removed = rule_on(rules, "git push; rm x").verdict
    assert removed is not None and removed.policy is Policy.DENY, "the strictest wins"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"git status -s"', '"git stash"'), 'does not hold: "git status *" does not decide "git stash"'),
        (('"git statusx"', '"git status -x"'), 'does not hold: "git status *" decides "git status -x"'),
        (('glob = "git push *"\n', ""), "commands.rules.1 has no glob"),
        (('decision = "deny"\n', ""), "commands.rules.2 has no decision"),
        (('"prompt"', '"ask"'), 'expected "allow", "prompt" or "deny"'),
        (("no_match", "nomatch"), "Did you mean no_match"),
    ],
)
def test_a_rule_whose_example_does_not_hold_is_an_error(desk: Desk, change: tuple[str, str], said: str) -> None:
    desk.user(RULE.replace(*change, 1))
    error = desk.error()
    assert said in error and "line " in error


def test_a_workspace_may_add_rules_that_ask_and_none_that_allow(desk: Desk) -> None:
    desk.user('[commands]\nprompt_list = ["git push"]\n')
    desk.workspace('[commands]\nprompt_glob = ["make *"]\nprompt_list = []\n')
    rules = desk.load().commands
    assert rules.prompt_list == ("git push",) and rules.prompt_glob == ("make *",)
    desk.workspace('[[commands.rules]]\nglob = "curl *"\ndecision = "allow"\n')
    loaded = desk.load()
    assert loaded.commands.allow_glob == () and any("without a question" in warning for warning in loaded.warnings)


def test_full_auto_answers_a_prompt_rule_and_a_policy_that_denies_comes_first() -> None:
    asked = Verdict(Policy.PROMPT, "rule")
    assert judge(Policies(), "run_terminal_cmd", command=asked) == asked
    assert judge(Policies(), "run_terminal_cmd", command=asked, full_auto=True).policy is Policy.ALLOW
    strict = Policies(by_tool={"run_terminal_cmd": Policy.DENY})
    assert judge(strict, "run_terminal_cmd", command=asked).policy is Policy.DENY
    loose = Policies(by_tool={"run_terminal_cmd": Policy.ALLOW})
    assert judge(loose, "run_terminal_cmd", command=asked) == asked
