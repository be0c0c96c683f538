"""`ask --schema`: an answer that a JSON Schema accepts, or the place where it does not."""

from collections.abc import Awaitable, Callable

import msgspec

from vtcode.console import Console
from vtcode.events import TurnFinished
from vtcode.messages import Finish
from vtcode.schema import Answer, Mismatch, Schema


async def ask_structured(
    turn: Callable[[str], Awaitable[TurnFinished]], text: str, schema: Schema, console: Console
) -> TurnFinished:
    """Ask, and once more if the answer is not valid; return the end of the last turn.

    Its text is the valid answer; where there is none, its error says why.
    """
    for is_last in (False, True):
        end = await turn(text)
        if end.error or end.finish not in {Finish.STOP, Finish.LENGTH}:
            return end
        match schema.judge(end.text):
            case Answer(text=answer):
                return msgspec.structs.replace(end, text=answer, finish=Finish.STOP)
            case Mismatch() as mismatch:
                cut = " It was cut at its token limit." if end.finish is Finish.LENGTH else ""
                problem = f"The answer does not follow the schema, {mismatch}.{cut}"
                if is_last:
                    return msgspec.structs.replace(
                        end, text="", finish=Finish.FAILED, error=f"{problem} Nothing was printed."
                    )
                console.say(f"{problem} Asking once more.")
                text = (
                    f"Your reply does not follow the JSON schema, {mismatch}. Reply again with corrected JSON only, "
                    "without any other text."
                )
    raise AssertionError("the last answer is returned, valid or not")
