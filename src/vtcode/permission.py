"""Whether a call may run: the rules, what was approved before, then a person; and each decision in the log."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from vtcode.approval import Policies, Policy, Verdict, judge
from vtcode.approvals import Approvals, Subject
from vtcode.approver import Answer, ApprovalRequest, Approver, Decision
from vtcode.audit import Audit, Choice
from vtcode.command_rules import rule_on
from vtcode.messages import ToolCall
from vtcode.settings import CommandRules
from vtcode.tools import Tool, ToolContext
from vtcode.tools.shell import level_of

_WORDS: Final[Mapping[Policy, Choice]] = {
    Policy.ALLOW: "allowed",
    Policy.DENY: "denied",
    Policy.PROMPT: "asked",
}


class Rules(msgspec.Struct):
    """What the configuration and the command line say, and then the person at the terminal."""

    policies: Policies = Policies()
    commands: CommandRules = CommandRules()
    full_auto: bool = False


class Asked(msgspec.Struct, frozen=True):
    """What the rules say of a call, and what a person would be asked."""

    verdict: Verdict
    subject: Subject
    request: ApprovalRequest


class Permission:
    """Decides about the calls of a run."""

    def __init__(self, rules: Rules, approver: Approver, approvals: Approvals, audit: Audit) -> None:
        self._rules = rules
        self._approver = approver
        self._approvals = approvals
        self._audit = audit
        self._problem: str | None = None

    def judge(self, call: ToolCall, tool: Tool, arguments: Any, context: ToolContext) -> Asked:
        """Ask the rules, and what was approved before; what they decide is in the log when this returns."""
        sensitive = tool.sensitive(arguments, context)
        preview = tool.preview(arguments, context)
        command = None
        if tool.effect == "runs":
            ruling = rule_on(self._rules.commands, preview.text)
            command, sensitive = ruling.verdict, ruling.caution or sensitive
        verdict = judge(
            self._rules.policies,
            tool.name,
            full_auto=self._rules.full_auto,
            sensitive=sensitive,
            command=command,
        )
        subject = _subject(tool, preview.text, arguments, context)
        # A file has other content the next time, a server of tools may be another one under the same name, and what
        # is asked in any case is asked each time.
        may_last = sensitive is None and tool.effect == "runs"
        if verdict.policy is Policy.PROMPT and may_last:
            match self._approvals.covers(subject):
                case Answer.SESSION:
                    verdict = Verdict(Policy.ALLOW, "approved for this session")
                case Answer.ALWAYS:
                    verdict = Verdict(Policy.ALLOW, f"approved always (vtcode approvals: {subject.digest[:12]})")
                case _:
                    pass
        self._note(self._audit.record(subject, _WORDS[verdict.policy], verdict.rule))
        request = ApprovalRequest(
            call=call,
            preview=preview,
            verdict=verdict,
            folder=context.workspace.root,
            sandbox=str(level_of(context)) if tool.effect == "runs" else "",
            may_last=may_last,
        )
        return Asked(verdict, subject, request)

    async def ask(self, asked: Asked) -> Decision:
        """Put a call to the person; the answer is kept for as long as it says, and in the log."""
        decision = await self._approver.decide(asked.request)
        if not asked.request.may_last and decision.answer in (Answer.SESSION, Answer.ALWAYS):
            decision = Decision(Answer.ONCE, decision.message)
        word = "approved" if decision.approved else "refused"
        self._note(self._audit.record(asked.subject, word, asked.verdict.rule, decision.answer.value))
        try:
            self._approvals.keep(asked.subject, decision.answer)
        except OSError as error:
            self._note(f"The approval holds for this session only: it could not be kept ({error.strerror}).")
        return decision

    async def answer(self, question: str, choices: tuple[str, ...]) -> str | None:
        """Put a question of the model to the person; None when nobody is there."""
        return await self._approver.answer(question, choices)

    def take_problem(self) -> str | None:
        """Return, once, what went wrong beside the decision."""
        problem, self._problem = self._problem, None
        return problem

    def _note(self, problem: str | None) -> None:
        self._problem = problem or self._problem


class Questions:
    """Puts questions of ours to the person, and keeps them and the answers in the log."""

    def __init__(self, approver: Approver, audit: Audit, workspace: Path) -> None:
        self._approver = approver
        self._audit = audit
        self._workspace = workspace

    async def confirm(self, question: str) -> bool:
        """Ask whether something of ours may be done. Without a person to ask, the answer is no."""
        about = self._subject("question", question)
        self._audit.record(about, "asked", "asked in any case")
        is_agreed = await self._approver.confirm(question)
        word = "approved" if is_agreed else "refused"
        self._audit.record(about, word, "asked in any case", "once" if is_agreed else "no")
        return is_agreed

    def connection(self, target: str, rule: str | None) -> None:
        """Note that a command reaches a host, by which entry of the list, or that it does not."""
        about = self._subject("network", target)
        if rule is None:
            self._audit.record(about, "denied", "sandbox.network")
        else:
            self._audit.record(about, "allowed", f'sandbox.network "{rule}"')

    def _subject(self, what: str, text: str) -> Subject:
        return Subject(tool=what, text=_plain(text), arguments="", workspace=_plain_path(self._workspace))


def _plain_path(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _subject(tool: Tool, text: str, arguments: Any, context: ToolContext) -> Subject:
    given = msgspec.json.encode(arguments, order="sorted").decode("utf-8", "replace")
    return Subject(
        tool=tool.name,
        text=_plain(text) if tool.effect == "runs" else given,
        arguments=given,
        workspace=_plain_path(context.workspace.root),
        sandbox=f"{level_of(context)}, network {context.sandbox.network}" if tool.effect == "runs" else "",
    )


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
