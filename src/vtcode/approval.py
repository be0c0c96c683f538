"""Allow, prompt or deny, and which rule said so (pure)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Policy(StrEnum):
    """What happens when a model calls a tool."""

    ALLOW = "allow"
    PROMPT = "prompt"
    DENY = "deny"


BUILT_IN: Final[Mapping[str, Policy]] = {
    "read_file": Policy.ALLOW,
    "list_files": Policy.ALLOW,
    "grep_file": Policy.ALLOW,
    "edit_file": Policy.PROMPT,
    "write_file": Policy.PROMPT,
    "apply_patch": Policy.PROMPT,
    "run_terminal_cmd": Policy.PROMPT,
    "command_output": Policy.ALLOW,
    "update_plan": Policy.ALLOW,
    "ask_user": Policy.ALLOW,
}
"""Policies where the configuration says nothing. A tool that is not listed prompts."""


FULL_AUTO: Final = "full-auto: calls that would be asked for are approved in this run; denied ones stay denied."
"""Said before a run that asks nobody."""


class Policies(msgspec.Struct, frozen=True):
    """What the configuration says about tools."""

    default: Policy | None = None
    """`tools.default_policy`; None when nobody set it."""
    by_tool: Mapping[str, Policy] = msgspec.field(default_factory=dict[str, Policy])
    """`tools.policies`, by tool name."""
    sources: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Where each was set: by tool name, and `default_policy`."""


class Verdict(msgspec.Struct, frozen=True):
    """What happens to one call."""

    policy: Policy
    rule: str
    """The rule that decided, for people: `tools.policies.read_file = "allow" (vtcode.toml)`."""


def judge(
    policies: Policies,
    tool_name: str,
    *,
    full_auto: bool = False,
    sensitive: str | None = None,
    command: Verdict | None = None,
) -> Verdict:
    """Decide one call. The first of these that has something to say:

    1. a deny of the tool's policy; 2. a deny of a command rule; 3. `sensitive`, a reason to ask in any case, such as
    "vtcode.toml is protected"; 4. a command rule; 5. the tool's policy: its own, else the default one, else the
    built-in one. Of a prompt by 4 or 5 `full_auto` makes an allow.

    Nothing lowers a deny.
    """
    verdict = _configured(policies, tool_name)
    if verdict.policy is Policy.DENY:
        return verdict
    if command is not None and command.policy is Policy.DENY:
        return command
    if sensitive is not None:
        return Verdict(Policy.PROMPT, sensitive)
    if command is not None:
        verdict = command
    if full_auto and verdict.policy is Policy.PROMPT:
        return Verdict(Policy.ALLOW, f"full-auto, over {verdict.rule}")
    return verdict


def _configured(policies: Policies, tool_name: str) -> Verdict:
    own = policies.by_tool.get(tool_name)
    if own is not None:
        return Verdict(own, _rule(policies, f"tools.policies.{tool_name}", own, tool_name))
    if policies.default is not None:
        rule = _rule(policies, "tools.default_policy", policies.default, "default_policy")
        return Verdict(policies.default, rule)
    built_in = BUILT_IN.get(tool_name, Policy.PROMPT)
    return Verdict(built_in, f'built-in default "{built_in}"')


def _rule(policies: Policies, key: str, policy: Policy, source: str) -> str:
    where = policies.sources.get(source)
    return f'{key} = "{policy}"' + (f" ({where})" if where else "")
