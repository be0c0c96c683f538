"""Items of a Responses request: read strictly, and turned into the messages of a chat."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, assert_never

import msgspec

from lmserver.errors import invalid
from lmwire import chat
from lmwire import response_items as items
from lmwire.response_items import Item, JsonObject

T = TypeVar("T")

_KNOWN = "message, function_call, function_call_output, reasoning, item_reference"


def new_id(prefix: str) -> str:
    """Make up an id: "resp", "msg", "fc" or "rs", and 48 hexadecimal digits."""
    return f"{prefix}_{secrets.token_hex(24)}"


def convert(raw: Any, kind: type[T], where: str) -> T:
    """Read a decoded value as a struct. Raises `ApiError` 400 that names the member beneath `where`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        raise invalid(where + path.rstrip("`"), reason) from error


# Reading ------------------------------------------------------------------------------------------------


def read_input(given: str | list[JsonObject] | None) -> list[Item | items.ItemReferenceParam]:
    """Read the input of a request; nothing, and an empty text, are no items. Raises `ApiError` 400."""
    if isinstance(given, str):
        text = items.InputText(given)
        return [items.Message(id=new_id("msg"), role="user", content=[text])] if given else []
    return [_read(raw, f"input[{index}]") for index, raw in enumerate(given or [])]


def _read(raw: JsonObject, where: str) -> Item | items.ItemReferenceParam:
    match raw.get("type"):
        case "message":
            return _message(raw, where)
        case None if "role" in raw:
            return _message(raw, where)
        case "function_call":
            call = convert(raw, items.FunctionCallParam, where)
            return items.FunctionCall(
                id=call.id or new_id("fc"), call_id=call.call_id, name=call.name, arguments=call.arguments
            )
        case "function_call_output":
            return _output(raw, where)
        case "reasoning":
            thought = convert(raw, items.ReasoningParam, where)
            return items.Reasoning(
                id=thought.id or new_id("rs"),
                summary=thought.summary or [],
                content=[items.ReasoningText(part.text) for part in thought.content or []],
            )
        case "item_reference":
            return convert(raw, items.ItemReferenceParam, where)
        case None if "id" in raw:
            return convert(raw, items.ItemReferenceParam, where)
        case None:
            raise invalid(f"{where}.type", f"an item needs a type ({_KNOWN}), or a role and content")
        case other:
            shown = repr(other)[:80]
            raise invalid(f"{where}.type", f"items of type {shown} are not known here; known are {_KNOWN}")


def _message(raw: JsonObject, where: str) -> items.Message:
    given = convert(raw, items.MessageParam, where)
    content = [items.InputText(given.content)] if isinstance(given.content, str) else given.content
    # Ids and statuses of the sender are kept where they mean something: a status never does in an input.
    return items.Message(
        id=given.id or new_id("msg"),
        role=given.role,
        content=[_part(part, given.role, f"{where}.content[{index}]") for index, part in enumerate(content)],
    )


def _part(part: items.PartParam, role: items.Role, where: str) -> items.Part:
    match part:
        case items.InputText(text=text) | items.PlainText(text=text) | items.OutputTextParam(text=text):
            return items.OutputText(text) if role == "assistant" else items.InputText(text)
        case items.InputImageParam():
            if role != "user":
                raise invalid(where, "only a user's message holds images")
            return _image(part, where)
        case items.Refusal(refusal=refusal):
            return part if role == "assistant" else items.InputText(refusal)
        case _:
            assert_never(part)


def _image(part: items.InputImageParam, where: str) -> items.InputImage:
    if part.image_url is None:
        raise invalid(f"{where}.image_url", "no files are kept here; send the image itself as a `data:` URL")
    return items.InputImage(part.image_url, part.detail or "auto")


def _output(raw: JsonObject, where: str) -> items.FunctionCallOutput:
    given = convert(raw, items.FunctionCallOutputParam, where)
    output = given.output
    if not isinstance(output, str):
        output = [
            _image(part, f"{where}.output[{index}]")
            if isinstance(part, items.InputImageParam)
            else items.InputText(part.text)
            for index, part in enumerate(output)
        ]
    return items.FunctionCallOutput(id=given.id or new_id("fc"), call_id=given.call_id, output=output)


def check_calls(before: Iterable[Item], given: Sequence[Item]) -> None:
    """See that each output of a function answers a call. Raises `ApiError` 400 that names the output."""
    known = {item.call_id for item in before if isinstance(item, items.FunctionCall)}
    for index, item in enumerate(given):
        if isinstance(item, items.FunctionCall):
            known.add(item.call_id)
        elif isinstance(item, items.FunctionCallOutput) and item.call_id not in known:
            raise invalid(
                f"input[{index}].call_id",
                "no function_call before it has this call_id; send the call too, or previous_response_id",
            )


# Items → messages ---------------------------------------------------------------------------------------


def messages(instructions: str | None, conversation: Iterable[Item]) -> list[chat.Message]:
    """Turn a conversation into chat messages; the same items always give the same messages.

    What the assistant thought, said and called in a row becomes one message.
    """
    said: list[chat.Message] = [chat.SystemMessage(instructions)] if instructions else []
    turn = _AssistantTurn()
    for item in conversation:
        match item:
            case items.Reasoning():
                if turn.text or turn.calls:
                    said += turn.close()
                turn.thoughts += [part.text for part in item.content or item.summary]
            case items.FunctionCall():
                turn.calls.append(
                    chat.ToolCall(id=item.call_id, function=chat.FunctionCall(item.name, item.arguments))
                )
            case items.Message(role="assistant"):
                if turn.text:
                    said += turn.close()
                turn.text = _content(item.content)
            case items.FunctionCallOutput():
                said += turn.close()
                output = item.output if isinstance(item.output, str) else _content(item.output)
                said.append(chat.ToolMessage(item.call_id, output))
            case items.Message():
                said += turn.close()
                said.append(_MESSAGES[item.role](_content(item.content)))
            case _:
                assert_never(item)
    return said + turn.close()


_MESSAGES = {"system": chat.SystemMessage, "developer": chat.DeveloperMessage, "user": chat.UserMessage}


class _AssistantTurn:
    """What the assistant has done since somebody else spoke."""

    def __init__(self) -> None:
        self.thoughts: list[str] = []
        self.text: chat.Content = None
        self.calls: list[chat.ToolCall] = []

    def close(self) -> list[chat.Message]:
        if not (self.thoughts or self.calls or self.text is not None):
            return []
        message = chat.AssistantMessage(
            content=self.text, reasoning_content="\n".join(self.thoughts) or None, tool_calls=self.calls or None
        )
        self.__init__()
        return [message]


def _content(parts: Sequence[items.Part]) -> chat.Content:
    content: list[chat.ContentPart] = []
    for part in parts:
        match part:
            case items.InputText(text=text) | items.OutputText(text=text):
                content.append(chat.TextPart(text))
            case items.Refusal(refusal=refusal):
                content.append(chat.RefusalPart(refusal))
            case items.InputImage(image_url=url):
                content.append(chat.ImagePart(chat.ImageUrl(url or "")))
            case _:
                assert_never(part)
    if len(content) == 1 and isinstance(content[0], chat.TextPart):
        return content[0].text
    return content
