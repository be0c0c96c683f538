"""Puts a question of the model to the person."""

import msgspec

from vtcode.tools.tool import Effect, Outcome, Parameters, Preview, ToolContext

NOBODY = "Nobody can answer. Decide yourself, and say in your answer what you assumed."


class AskArguments(msgspec.Struct, frozen=True):
    question: str
    choices: tuple[str, ...] = ()


class AskUser(Parameters):
    """Asks at the terminal; without a person the model is told to decide."""

    name = "ask_user"
    description = "Ask the user, only when you cannot go on without"
    arguments: type[msgspec.Struct] = AskArguments
    effect: Effect = "talks"

    def sensitive(self, args: AskArguments, context: ToolContext) -> str | None:
        return None

    def preview(self, args: AskArguments, context: ToolContext) -> Preview:
        return Preview("text", args.question)

    async def run(self, args: AskArguments, context: ToolContext) -> Outcome:
        answer = await context.ask(args.question, args.choices) if context.ask is not None else None
        if answer is None:
            return Outcome(True, NOBODY, "nobody to ask")
        return Outcome(True, answer or "(no answer)", "answered")
