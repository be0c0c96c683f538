"""Chat Completions: requests as its bodies, chunks as replies."""

from collections.abc import Mapping, Sequence
from typing import Final

from vtcode.messages import AssistantMessage, Message, ToolCall, ToolResult, UserMessage
from vtcode.providers import JsonObject, ReasoningDelta, Request, TextDelta, ToolSpec
from vtcode.providers.assembly import Assembly, Chunk, ErrorObject
from vtcode.providers.decoding import decode
from vtcode.providers.dialect import Reader, ServerError, arguments_of

DONE: Final = "[DONE]"


class ChatDialect:
    """Chat Completions, which every server speaks."""

    path = "/chat/completions"
    name = "Chat Completions"
    droppable: Mapping[str, tuple[str, ...]] = {
        "reasoning_effort": ("reasoning_effort", "reasoning effort"),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "tool_choice": ("tool_choice",),
        "stream_options": ("stream_options", "include_usage"),
        "return_progress": ("return_progress",),
        "max_tokens": ("max_completion_tokens",),
    }

    def body(self, request: Request) -> JsonObject:
        body: JsonObject = {
            "model": request.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.reasoning_effort is not None:
            body["reasoning_effort"] = request.reasoning_effort
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            if not request.may_call:
                body["tool_choice"] = "none"
            if request.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = request.parallel_tool_calls
        body["messages"] = [
            {"role": "system", "content": request.system},
            *(_message(message) for message in request.messages),
        ]
        if request.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": request.schema},
            }
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.stop:
            body["stop"] = list(request.stop)
        return body

    def reader(self, model: str) -> Reader:
        return _ChatReader(model)


class _ChatReader(Assembly):
    """Reads the events of a stream of chunks."""

    def read(self, data: str) -> Sequence[TextDelta | ReasoningDelta]:
        if data == DONE:
            self.end()
            return []
        chunk = decode(data, Chunk)
        if chunk.error is not None:
            raise ServerError(ErrorObject(chunk.error) if isinstance(chunk.error, str) else chunk.error)
        return self.add(chunk)


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _message(message: Message) -> JsonObject:
    match message:
        case UserMessage(text=text):
            return {"role": "user", "content": text}
        case ToolResult(call_id=call_id, text=text):
            return {"role": "tool", "tool_call_id": call_id, "content": text}
        case AssistantMessage(text=text, calls=calls):
            body: JsonObject = {"role": "assistant", "content": text}
            if calls:
                body["tool_calls"] = [_call(call) for call in calls]
            return body


def _call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_of(call)}}
