"""What was said in a conversation: messages of parts, calls and their results."""

from enum import StrEnum

import msgspec


class Finish(StrEnum):
    """Why a reply, or a whole turn, ended."""

    STOP = "stop"
    LENGTH = "length"
    """The reply reached its token limit."""
    TOOLS = "tools"
    LIMIT = "limit"
    """The turn used up its steps."""
    CANCELLED = "cancelled"
    FAILED = "failed"


class Status(StrEnum):
    """How a call ended."""

    OK = "ok"
    ERROR = "error"
    DENIED = "denied"
    CANCELLED = "cancelled"


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one reply, as the server counted them; zero where it did not."""

    prompt: int = 0
    cached: int = 0
    """Those of the prompt that the server still had."""
    generated: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt + other.prompt, self.cached + other.cached, self.generated + other.generated)


class ToolCall(msgspec.Struct, frozen=True, tag="call"):
    """A call as the model wrote it."""

    id: str
    name: str
    arguments: str
    """Raw JSON text: it is parsed where the call is run, since it may be malformed."""


class UserMessage(msgspec.Struct, frozen=True, tag="user", omit_defaults=True):
    """What the user said."""

    text: str
    by_program: bool = False
    """Said in the user's place, such as that it is time to answer."""


class AssistantMessage(msgspec.Struct, frozen=True, tag="assistant"):
    """One reply of the model."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = Finish.STOP
    usage: Usage = Usage()
    model: str = ""


class ToolResult(msgspec.Struct, frozen=True, tag="result"):
    """The answer to one call."""

    call_id: str
    name: str
    status: Status
    text: str
    """What the model reads."""
    summary: str = ""
    """What the person reads: one line."""


Message = UserMessage | AssistantMessage | ToolResult
