"""The Responses API: the whole conversation as items each time, events as replies."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from vtcode.messages import AssistantMessage, Message, ToolResult, Usage, UserMessage
from vtcode.providers import JsonObject, ReasoningDelta, Request, TextDelta, ToolSpec
from vtcode.providers.assembly import ErrorObject
from vtcode.providers.decoding import decode
from vtcode.providers.dialect import Reader, ServerError, arguments_of
from vtcode.providers.draft import CallDraft, Draft, count


class ResponsesDialect:
    """Responses, without the server's memory: nothing is stored, so that what is sent is all that there is."""

    path = "/responses"
    name = "Responses"
    droppable: Mapping[str, tuple[str, ...]] = {
        "reasoning": ("reasoning", "reasoning.effort", "reasoning effort"),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "tool_choice": ("tool_choice",),
    }

    def body(self, request: Request) -> JsonObject:
        body: JsonObject = {"model": request.model, "stream": True, "store": False}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.reasoning_effort is not None:
            body["reasoning"] = {"effort": request.reasoning_effort}
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            if not request.may_call:
                body["tool_choice"] = "none"
            if request.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = request.parallel_tool_calls
        body["instructions"] = request.system
        body["input"] = [item for message in request.messages for item in _items(message)]
        if request.schema is not None:
            body["text"] = {
                "format": {"type": "json_schema", "name": "reply", "strict": True, "schema": request.schema}
            }
        if request.max_tokens is not None:
            body["max_output_tokens"] = request.max_tokens
        return body

    def reader(self, model: str) -> Reader:
        return _Reader(model)


# Items -------------------------------------------------------------------------------------------------


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": False,
    }


def _items(message: Message) -> Iterator[JsonObject]:
    match message:
        case UserMessage(text=text):
            yield {"type": "message", "role": "user", "content": text}
        case ToolResult(call_id=call_id, text=text):
            yield {"type": "function_call_output", "call_id": call_id, "output": text}
        case AssistantMessage(text=text, calls=calls):
            # What the model thought is not sent again: servers drop it from the prompt in either case.
            if text or not calls:
                yield {"type": "message", "role": "assistant", "content": text}
            for call in calls:
                yield {
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": arguments_of(call),
                }


# Events, read leniently ----------------------------------------------------------------------------------


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[_Part] | None = None


class _Details(msgspec.Struct):
    cached_tokens: object = None


class _Usage(msgspec.Struct):
    input_tokens: object = None
    output_tokens: object = None
    input_tokens_details: _Details | None = None


class _Response(msgspec.Struct):
    status: str | None = None
    error: ErrorObject | None = None
    usage: _Usage | None = None
    output: list[_Item] | None = None


class _Event(msgspec.Struct):
    type: str
    delta: str | None = None
    item: _Item | None = None
    item_id: str | None = None
    output_index: int | None = None
    response: _Response | None = None
    error: ErrorObject | None = None
    message: str | None = None
    """Of an `error` event, which servers write flat as well as nested."""
    code: str | None = None


class _Reader:
    """A reply while its events come in."""

    def __init__(self, model: str) -> None:
        self.draft = Draft(model)
        self.is_ended = False
        self.processed = 0
        self.total = 0
        self._calls: dict[int | str | None, CallDraft] = {}

    def read(self, data: str) -> Sequence[TextDelta | ReasoningDelta]:
        if data == "[DONE]":
            return []
        event = decode(data, _Event)
        self.draft.count_piece()
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta" if event.delta:
                return [self.draft.say(event.delta)]
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" if event.delta:
                return [self.draft.think(event.delta)]
            case "response.output_item.added" if event.item and event.item.type == "function_call":
                self._open(event, event.item)
            case "response.function_call_arguments.delta" if event.delta:
                call = self._calls.get(_key(event))
                if call is not None:
                    self.draft.extend_call(call, event.delta)
            case "response.output_item.done" if event.item and event.item.type == "function_call":
                self._close(event, event.item)
            case "response.completed" | "response.incomplete":
                return self._end(event.response or _Response(), is_cut=event.type == "response.incomplete")
            case "response.failed":
                raise ServerError((event.response and event.response.error) or ErrorObject())
            case "error":
                raise ServerError(event.error or ErrorObject(event.message or "", event.code))
            case _:
                # Others repeat what the above tell, or belong to built-in tools that were not asked for.
                pass
        return []

    def message(self) -> AssistantMessage:
        return self.draft.message()

    def _open(self, event: _Event, item: _Item) -> CallDraft:
        call = self.draft.open_call(item.call_id or item.id or "", item.name or "")
        self._calls[_key(event)] = call
        return call

    def _close(self, event: _Event, item: _Item) -> None:
        """Take the call as it ended: some servers send no deltas, or nothing before this."""
        call = self._calls.get(_key(event)) or self._open(event, item)
        call.id, call.name = item.call_id or call.id, item.name or call.name
        if item.arguments and item.arguments != "".join(call.arguments):
            call.arguments.clear()
            self.draft.extend_call(call, item.arguments)

    def _end(self, response: _Response, *, is_cut: bool) -> Sequence[TextDelta | ReasoningDelta]:
        draft = self.draft
        if response.usage:
            details = response.usage.input_tokens_details
            draft.usage = Usage(
                count(response.usage.input_tokens),
                count(details.cached_tokens if details else None),
                count(response.usage.output_tokens),
            )
        draft.is_cut = is_cut or response.status == "incomplete"
        self.is_ended = True
        if not draft.is_empty:
            return []
        # A server that sends the whole only at the end has it here.
        said: list[TextDelta | ReasoningDelta] = []
        for item in response.output or []:
            if item.type == "function_call":
                call = draft.open_call(item.call_id or item.id or "", item.name or "")
                draft.extend_call(call, item.arguments or "")
            elif item.type == "message":
                said += [draft.say(text) for part in item.content or [] if (text := part.text or part.refusal)]
        return said


def _key(event: _Event) -> int | str | None:
    """Tell items apart: by where they stand in the output, else by their id."""
    if event.output_index is not None:
        return event.output_index
    return event.item_id or (event.item.id if event.item else None)
