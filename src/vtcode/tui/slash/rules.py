"""/policy and /approvals: what the model may do without a question."""

import msgspec

from vtcode.approval import BUILT_IN, Policy, judge
from vtcode.approvals import Approvals
from vtcode.places import state_folder
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.desk import Desk
from vtcode.tui.questions import ConfirmPanel


async def policy(desk: Desk, arguments: str) -> None:
    """Show what holds for each tool, and where that was said; or change it until the program ends."""
    policies = desk.settings.policies
    if not arguments:
        tools = [*BUILT_IN, *(name for name in policies.by_tool if name not in BUILT_IN)]
        rows = [(tool, judge(policies, tool)) for tool in tools]
        width = max(len(tool) for tool in tools)
        desk.say("\n".join(f"{tool:<{width}}  {verdict.policy:<6}  {verdict.rule}" for tool, verdict in rows))
        if desk.running is not None and desk.running.rules.full_auto:
            desk.say("--full-auto: what would be asked runs, except what is asked in any case.")
        return
    tool, _, word = arguments.partition(" ")
    try:
        wanted = Policy(word.strip())
    except ValueError:
        desk.fail("Write a tool and allow, prompt or deny: /policy run_terminal_cmd prompt")
        return
    if tool not in BUILT_IN and not tool.startswith("mcp__"):
        desk.fail(f"There is no tool {tool}. /policy lists them.")
        return
    changed = msgspec.structs.replace(
        policies,
        by_tool={**policies.by_tool, tool: wanted},
        sources={**policies.sources, tool: "/policy, until vtcode ends"},
    )
    desk.settings = msgspec.structs.replace(desk.settings, policies=changed)
    if desk.running is not None:
        desk.running.rules.policies = changed
    desk.say(f'{tool}: {wanted}, until vtcode ends. In vtcode.toml: [tools.policies] {tool} = "{wanted}"')


async def approvals(desk: Desk, arguments: str) -> None:
    """List what was approved always; one that is chosen is revoked, after a question."""
    del arguments
    kept = Approvals(state_folder(desk.environ) / "approvals.json")
    while known := kept.all():
        subjects = {digest: approval.subject for digest, approval in known.items()}
        rows = [Row(digest, _line(one.text), f"{one.tool} in {one.workspace}") for digest, one in subjects.items()]
        note = "Enter revokes one, after a question."
        chosen = await desk.show(Chooser("Approved always", rows, desk.theme, note=note))
        if chosen is None:
            return
        subject = subjects[chosen]
        question = f"Revoke this? It will be asked about again.\n\n{subject.text}\n\nin {subject.workspace}"
        if await desk.show(ConfirmPanel(question, desk.theme)):
            kept.revoke({chosen})
            desk.say("Revoked; it holds from the next call on.")
    desk.say("Nothing is approved always.")


def _line(text: str) -> str:
    return text.replace("\n", " ⏎ ")
