"""How many tokens a request takes, and how many it may: real numbers where there are any, else a safe guess."""

from collections.abc import Iterable

import msgspec

from vtcode.messages import AssistantMessage, Message, ToolResult, UserMessage
from vtcode.providers import Request

PER_MESSAGE = 4
"""Tokens that a chat template puts around each message."""

_SMALLEST_REPLY = 256


class Budget(msgspec.Struct, frozen=True):
    """What of the context may be used."""

    context: int | None = None
    """Tokens of prompt and reply together; None where nobody tells."""
    compact_at: float = 0.8
    """Share of it from which the conversation is made shorter."""
    reply: int | None = None
    """Tokens that a reply may take, where that is limited."""

    @property
    def most(self) -> int | None:
        """Tokens of prompt beyond which the conversation is made shorter: some room is left for the reply."""
        if self.context is None:
            return None
        reply = min(self.reply or _SMALLEST_REPLY, self.context // 2)
        return max(min(int(self.context * self.compact_at), self.context - reply), 1)

    @property
    def target(self) -> int | None:
        """Tokens that it is made shorter to: half of that, so that it is not soon due again."""
        return None if self.most is None else self.most // 2


def tokens_of_text(text: str) -> int:
    """Guess the tokens of a text, rather too many: three bytes each, where English has four."""
    return len(text.encode("utf-8", "replace")) // 3 + 1


def tokens_of_message(message: Message) -> int:
    """Guess the tokens of a message."""
    match message:
        case UserMessage(text=text) | ToolResult(text=text):
            return tokens_of_text(text) + PER_MESSAGE
        case AssistantMessage(text=text, calls=calls):
            written = sum(tokens_of_text(call.name) + tokens_of_text(call.arguments) + PER_MESSAGE for call in calls)
            return tokens_of_text(text) + written + PER_MESSAGE


def tokens_of_messages(messages: Iterable[Message]) -> int:
    """Guess the tokens of messages."""
    return sum(map(tokens_of_message, messages))


def tokens_of_fixed(request: Request) -> int:
    """Guess the tokens of what stands before the messages: instructions and tools."""
    tools = msgspec.json.encode(request.tools).decode() if request.tools else ""
    return tokens_of_text(request.system) + tokens_of_text(tools)


def tokens_of(request: Request) -> int:
    """Tell the tokens of a request: as the server counted them for the newest reply, and a guess at what is new."""
    for index in range(len(request.messages) - 1, -1, -1):
        message = request.messages[index]
        if isinstance(message, AssistantMessage) and message.usage.prompt:
            known = message.usage.prompt + message.usage.generated
            return known + tokens_of_messages(request.messages[index + 1 :])
    return tokens_of_fixed(request) + tokens_of_messages(request.messages)
