"""Keeps the plan of a task in front of the person and, as a call among the messages, of the model."""

from typing import Any, Final, Literal, cast

import msgspec

from vtcode.tools.tool import BadArguments, Effect, JsonObject, Outcome, Preview, ToolContext, read_object

State = Literal["pending", "in_progress", "completed"]

MOST_STEPS: Final = 50
_MARKS: Final[dict[State, str]] = {"pending": "[ ]", "in_progress": "[>]", "completed": "[x]"}
_STATES: Final[dict[str, State]] = {
    **dict.fromkeys(("", "pending", "todo", "open", "not_started"), "pending"),
    **dict.fromkeys(("in_progress", "inprogress", "active", "doing", "current", "started"), "in_progress"),
    **dict.fromkeys(("completed", "complete", "done", "finished"), "completed"),
}
"""Words of models, and ours for them."""
_EXPECTED: Final = 'Expected {"plan": [{"step": "…", "status": "pending|in_progress|completed"}]}.'


class Step(msgspec.Struct, frozen=True):
    step: str
    status: State


class Plan(msgspec.Struct, frozen=True):
    steps: tuple[Step, ...]

    @property
    def checklist(self) -> str:
        """A line a step, with a mark that needs no colour."""
        return "\n".join(f"{_MARKS[step.status]} {' '.join(step.step.split())}" for step in self.steps)


class UpdatePlan:
    """Takes the whole plan each time; it is nowhere kept but in the conversation."""

    name = "update_plan"
    description = "Set the plan, for tasks of several steps"
    effect: Effect = "talks"

    def parameters(self) -> JsonObject:
        words: list[str] = list(_MARKS)
        step = {"type": "object", "properties": {"step": {"type": "string"}, "status": {"enum": words}}}
        return {
            "type": "object",
            "properties": {"plan": {"type": "array", "items": step}},
            "required": ["plan"],
        }

    def parse(self, raw: str) -> Plan | BadArguments:
        given = read_object(raw)
        steps = _listed(given.get("plan", given.get("steps"))) if given is not None else []
        if not steps:
            return BadArguments(f"update_plan: no list of steps was given. {_EXPECTED}")
        if len(steps) > MOST_STEPS:
            return BadArguments(f"update_plan: {len(steps)} steps are too many; give at most {MOST_STEPS}.")
        read = [_step(step) for step in steps]
        whole = tuple(step for step in read if step is not None)
        if len(whole) < len(read):
            return BadArguments(f"update_plan: step {read.index(None) + 1} cannot be read. {_EXPECTED}")
        return Plan(whole)

    def sensitive(self, args: Plan, context: ToolContext) -> str | None:
        return None

    def preview(self, args: Plan, context: ToolContext) -> Preview:
        return Preview("text", args.checklist)

    async def run(self, args: Plan, context: ToolContext) -> Outcome:
        return Outcome(True, "Noted.", args.checklist)


def _listed(given: object) -> list[object]:
    if isinstance(given, str):
        return [line.strip() for line in given.splitlines() if line.strip()]
    return cast("list[object]", given) if isinstance(given, list) else []


def _step(given: object) -> Step | None:
    """Read a step as models write them: an object, or only its text."""
    if isinstance(given, str):
        given = {"step": given}
    if not isinstance(given, dict):
        return None
    members = cast("dict[str, Any]", given)
    text: object = members.get("step") or members.get("content") or members.get("description")
    status: object = members.get("status") or ""
    if not isinstance(text, str) or not text.strip() or not isinstance(status, str):
        return None
    state = _STATES.get(status.strip().lower().replace(" ", "_").replace("-", "_"))
    return None if state is None else Step(text, state)
