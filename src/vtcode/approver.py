"""Who decides when a policy says prompt: what a person is asked, and what they may answer."""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from vtcode.approval import Verdict
from vtcode.messages import ToolCall
from vtcode.tools import Preview


class Answer(StrEnum):
    """What a person says to a call."""

    NO = "no"
    ONCE = "once"
    SESSION = "session"
    """Once, and whenever exactly the same is asked again in this session."""
    ALWAYS = "always"
    """Once, and whenever exactly the same is asked again in this workspace."""


class Decision(msgspec.Struct, frozen=True):
    """An answer, and what the person has to say to the model with a no."""

    answer: Answer
    message: str = ""

    @property
    def approved(self) -> bool:
        return self.answer is not Answer.NO


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call that waits for a person."""

    call: ToolCall
    preview: Preview
    verdict: Verdict
    folder: Path
    """Where it would run."""
    sandbox: str = ""
    """The level that commands are boxed at; empty for a call that starts none."""
    may_last: bool = False
    """Whether `SESSION` and `ALWAYS` are answers to it: not where it is asked in any case."""


class Approver(Protocol):
    """Asks a person."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Tell whether the call may run. Without a person to ask, the answer is no."""
        ...

    async def confirm(self, question: str) -> bool:
        """Ask whether something of ours may be done. Without a person to ask, the answer is no."""
        ...

    async def answer(self, question: str, choices: tuple[str, ...]) -> str | None:
        """Put a question of the model to the person; None when nobody is there."""
        ...
