"""Which policy decides, and which rule it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtcode.approval import BUILT_IN, Policies, Policy, Verdict, judge

ALLOW, PROMPT, DENY = Policy.ALLOW, Policy.PROMPT, Policy.DENY

NAMES = st.sampled_from([*BUILT_IN, "other"])
POLICIES = st.builds(
    Policies,
    default=st.none() | st.sampled_from(Policy),
    by_tool=st.dictionaries(NAMES, st.sampled_from(Policy)),
)


def test_without_configuration_reading_is_allowed_and_the_rest_is_asked() -> None:
    allowed = {name for name in BUILT_IN if judge(Policies(), name).policy is ALLOW}
    assert allowed == {"read_file", "list_files", "grep_file", "command_output", "update_plan", "ask_user"}
    assert judge(Policies(), "unheard_of") == Verdict(PROMPT, 'built-in default "prompt"')


@pytest.mark.parametrize("default", list(Policy))
def test_a_default_that_the_user_set_holds_for_every_tool_without_its_own(default: Policy) -> None:
    policies = Policies(default, {"read_file": ALLOW}, {"default_policy": "vtcode.toml", "read_file": "vtcode.toml"})
    assert judge(policies, "read_file") == Verdict(ALLOW, 'tools.policies.read_file = "allow" (vtcode.toml)')
    for name in set(BUILT_IN) - {"read_file"}:
        assert judge(policies, name) == Verdict(default, f'tools.default_policy = "{default}" (vtcode.toml)')


def test_what_is_sensitive_is_asked_for_even_in_full_auto() -> None:
    policies = Policies(by_tool={"write_file": ALLOW})
    for full_auto in (False, True):
        verdict = judge(policies, "write_file", full_auto=full_auto, sensitive="vtcode.toml is protected")
        assert verdict == Verdict(PROMPT, "vtcode.toml is protected")


def test_full_auto_allows_what_would_be_asked_and_says_so() -> None:
    verdict = judge(Policies(), "write_file", full_auto=True)
    assert verdict == Verdict(ALLOW, 'full-auto, over built-in default "prompt"')
    assert judge(Policies(), "read_file", full_auto=True) == judge(Policies(), "read_file")


COMMANDS = st.none() | st.builds(Verdict, st.sampled_from(Policy), st.just("commands"))


@given(POLICIES, NAMES, st.booleans(), st.none() | st.text(), COMMANDS)
def test_nothing_lowers_a_deny(
    policies: Policies, name: str, full_auto: bool, sensitive: str | None, command: Verdict | None
) -> None:
    plain = judge(policies, name)
    verdict = judge(policies, name, full_auto=full_auto, sensitive=sensitive, command=command)
    forbidden = plain.policy is DENY or (command is not None and command.policy is DENY)
    assert (verdict.policy is DENY) == forbidden
    if sensitive is not None:
        assert verdict.policy is not ALLOW


def test_a_rule_for_a_command_stands_over_the_policy_of_the_tool_but_not_over_a_deny_or_what_is_sensitive() -> None:
    allow, deny = Verdict(ALLOW, "rule"), Verdict(DENY, "rule")
    allowing, denying = (Policies(by_tool={"run_terminal_cmd": policy}) for policy in (ALLOW, DENY))
    assert judge(Policies(), "run_terminal_cmd", command=allow) is allow
    assert judge(allowing, "run_terminal_cmd", command=deny, full_auto=True) is deny
    assert judge(denying, "run_terminal_cmd", command=allow).policy is DENY
    assert judge(Policies(), "run_terminal_cmd", command=allow, sensitive="odd") == Verdict(PROMPT, "odd")


@given(POLICIES, NAMES)
def test_a_tools_own_policy_comes_first(policies: Policies, name: str) -> None:
    own = policies.by_tool.get(name)
    assert own is None or judge(policies, name).policy is own
