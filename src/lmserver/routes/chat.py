"""`POST /v1/chat/completions`: Chat Completions, streamed or whole."""

import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lmserver import schema
from lmserver.engines import (
    CallPiece,
    Constraint,
    Finished,
    ForcedCall,
    GenerationRequest,
    JsonObject,
    JsonReply,
    Loading,
    Piece,
    Progress,
    ReasoningPiece,
    Sampling,
    TextPiece,
)
from lmserver.errors import ApiError
from lmserver.guard import decode
from lmserver.routes import Endpoint
from lmserver.routes.work import Job, while_connected
from lmserver.service import Service
from lmwire import chat, sse
from lmwire.errors import ErrorBody, ErrorCode

FINGERPRINT = "vtcode"


async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    service: Service = request.app.state.service
    asked = decode(await request.body(), chat.ChatRequest)
    work = generation(asked, service.settings.output_limit)
    job = Job(request, asked.model)
    reply = _Reply(asked, job)
    pieces = job.run(work)
    if asked.stream:
        # The first piece is awaited before the status is sent, so that a refusal is a status and not an event.
        first = await while_connected(request, anext(pieces))
        return StreamingResponse(_events(first, pieces, reply), media_type="text/event-stream")
    whole = await while_connected(request, _collect(pieces, reply))
    return Response(msgspec.json.encode(whole), media_type="application/json")


# Request → engine ---------------------------------------------------------------------------------------


def generation(asked: chat.ChatRequest, output_limit: int) -> GenerationRequest:
    """Translate a request for an engine.

    Raises:
        ApiError: 400 for what cannot have its effect, naming the parameter.
    """
    _refuse_unsupported(asked)
    is_forced = isinstance(asked.tool_choice, chat.NamedToolChoice) or asked.tool_choice == "required"
    functions: list[chat.FunctionDefinition] = []
    for index, tool in enumerate(asked.tools or []):
        if tool.type == "function" and tool.function is not None:
            functions.append(tool.function)
            where = f"tools[{index}].function.parameters"
            schema.check(schema.parameters_of(tool.function), where, is_promised=is_forced)
    asked_for = asked.max_completion_tokens or asked.max_tokens
    constraint = _constraint(asked, functions)
    if isinstance(constraint, JsonReply) and functions:
        if asked.tool_choice != "none":
            raise _unsupported("response_format", "JSON and tools that may be called do not go together yet")
        functions = []
    return GenerationRequest(
        messages=[_message(message) for message in asked.messages],
        tools=[_tool(function) for function in functions],
        may_call=asked.tool_choice != "none",
        parallel_calls=asked.parallel_tool_calls is not False,
        constraint=constraint,
        sampling=_sampling(asked),
        max_tokens=asked_for if asked_for and asked_for > 0 else output_limit,
        template_arguments=_thinking(asked.reasoning_effort),
    )


def _thinking(effort: str | None) -> JsonObject:
    """Translate the effort into the variables that chat templates of thinking models look at."""
    match effort:
        case None:
            return {}
        case "none":
            return {"enable_thinking": False}
        case _:
            return {"enable_thinking": True, "reasoning_effort": effort}


def _refuse_unsupported(asked: chat.ChatRequest) -> None:
    if asked.n is not None and asked.n > 1:
        raise _unsupported("n", "Only one choice per request is made; send the request again for another")
    if asked.logprobs or asked.top_logprobs:
        raise _unsupported("logprobs", "Log probabilities are not given yet")
    if asked.reasoning_effort not in {None, "none", "low", "medium", "high"}:
        raise ApiError(
            400,
            "reasoning_effort: expected none, low, medium or high.",
            code=ErrorCode.INVALID_VALUE,
            param="reasoning_effort",
        )


def _unsupported(name: str, why: str) -> ApiError:
    return ApiError(400, f"{name}: {why}.", code=ErrorCode.UNSUPPORTED_PARAMETER, param=name)


def _constraint(asked: chat.ChatRequest, functions: list[chat.FunctionDefinition]) -> Constraint:
    match asked.tool_choice:
        case "required":
            if not functions:
                raise _invalid("tool_choice", "`required` needs at least one function in tools")
            return ForcedCall(tuple(functions))
        case chat.NamedToolChoice(function=wanted):
            named = [function for function in functions if function.name == wanted.name]
            if not named:
                names = ", ".join(function.name for function in functions) or "none"
                raise _invalid("tool_choice", f"no tool is named {wanted.name!r}; offered: {names}")
            return ForcedCall((named[0],))
        case "none" | "auto" | None:
            pass
    match asked.response_format:
        case chat.JsonObjectFormat():
            return JsonReply({"type": "object"})
        case chat.JsonSchemaFormat(json_schema=wanted):
            if wanted.schema is None:
                raise _invalid("response_format.json_schema.schema", "a JSON Schema is needed")
            schema.check(wanted.schema, "response_format.json_schema.schema", is_promised=True)
            return JsonReply(wanted.schema)
        case chat.TextFormat() | None:
            return None


def _invalid(param: str, why: str) -> ApiError:
    return ApiError(400, f"{param}: {why}.", code=ErrorCode.INVALID_VALUE, param=param)


def _tool(function: chat.FunctionDefinition) -> JsonObject:
    return {
        "type": "function",
        "function": {
            "name": function.name,
            "description": function.description or "",
            "parameters": schema.parameters_of(function),
        },
    }


def _message(message: chat.Message) -> JsonObject:
    match message:
        case chat.SystemMessage() | chat.DeveloperMessage():
            return {"role": "system", "content": _content(message.content)}
        case chat.UserMessage():
            return {"role": "user", "content": _content(message.content)}
        case chat.ToolMessage():
            return {
                "role": "tool",
                "tool_call_id": message.tool_call_id,
                "content": _content(message.content),
            }
        case chat.AssistantMessage():
            plain: JsonObject = {"role": "assistant", "content": _content(message.content)}
            if message.reasoning_content:
                plain["reasoning_content"] = message.reasoning_content
            if message.tool_calls:
                plain["tool_calls"] = [_call(call) for call in message.tool_calls]
            return plain


def _content(content: chat.Content) -> str | list[JsonObject]:
    """Join text to one string, which every template takes; only images keep the list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if any(isinstance(part, chat.ImagePart) for part in content):
        return [msgspec.to_builtins(part) for part in content]
    return "\n".join(
        part.text if isinstance(part, chat.TextPart) else part.refusal
        for part in content
        if not isinstance(part, chat.ImagePart)
    )


def _call(call: chat.ToolCall) -> JsonObject:
    """Give a call with arguments that are surely a JSON object: templates fail on anything else."""
    try:
        msgspec.json.decode(call.function.arguments, type=JsonObject)
        arguments = call.function.arguments
    except msgspec.MsgspecError:
        arguments = msgspec.json.encode({"malformed": call.function.arguments}).decode()
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.function.name, "arguments": arguments},
    }


def _sampling(asked: chat.ChatRequest) -> Sampling:
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    return Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        min_p=asked.min_p,
        repeat_penalty=asked.repeat_penalty,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        # The engine's seeds have 32 bits; folding keeps equal seeds equal.
        seed=None if asked.seed is None else asked.seed % 0xFFFFFFFF,
        stop=tuple(text for text in stop if text),
        logit_bias=asked.logit_bias,
    )


# Engine → response --------------------------------------------------------------------------------------


class _Reply:
    """The identity that all chunks of one reply share."""

    def __init__(self, asked: chat.ChatRequest, job: Job) -> None:
        self.id = f"chatcmpl-{secrets.token_urlsafe(18)}"
        self.created = int(time.time())
        self._job = job
        self.wants_usage = bool(asked.stream_options and asked.stream_options.include_usage)
        self.wants_progress = bool(asked.return_progress)

    @property
    def model(self) -> str:
        return self._job.model

    def chunk(
        self, delta: chat.Delta | None = None, finish: chat.FinishReason | None = None, **members: object
    ) -> bytes:
        choices = [] if delta is None else [chat.ChunkChoice(delta=delta, finish_reason=finish)]
        return sse.event(
            msgspec.structs.replace(
                chat.ChatChunk(
                    id=self.id,
                    created=self.created,
                    model=self.model,
                    choices=choices,
                    system_fingerprint=FINGERPRINT,
                    usage=None if self.wants_usage else UNSET,
                ),
                **members,
            )
        )


async def _events(first: Piece, rest: AsyncGenerator[Piece], reply: _Reply) -> AsyncIterator[bytes]:
    """Write the stream; closing it (the client left) closes the engine's, which cancels the work."""
    try:
        async with contextlib.aclosing(rest):
            yield reply.chunk(chat.Delta(role="assistant", content=""))
            yield _event(first, reply)
            async for piece in rest:
                yield _event(piece, reply)
    except ApiError as error:
        # The status is gone already: an error event, and no [DONE], is how a stream says that it failed.
        yield sse.event(ErrorBody(error.body))
        return
    yield sse.DONE


def _event(piece: Piece, reply: _Reply) -> bytes:
    match piece:
        case TextPiece(text=text):
            return reply.chunk(chat.Delta(content=text))
        case ReasoningPiece(text=text):
            return reply.chunk(chat.Delta(reasoning_content=text))
        case CallPiece():
            return reply.chunk(chat.Delta(tool_calls=[_call_delta(piece)]))
        case Progress(total=total, cached=cached, processed=processed):
            if reply.wants_progress:
                return reply.chunk(chat.Delta(), prompt_progress=chat.PromptProgress(total, cached, processed))
            return sse.comment(f"prompt {processed}/{total} tokens, {cached} cached")
        case Loading(seconds=seconds):
            return sse.comment(f"loading the model, {seconds:.0f} s so far")
        case Finished(reason=reason, usage=usage):
            end = reply.chunk(chat.Delta(), reason)
            return end + reply.chunk(usage=usage) if reply.wants_usage else end


def _call_delta(piece: CallPiece) -> chat.ToolCallDelta:
    function = chat.FunctionCallDelta(name=piece.name or UNSET, arguments=piece.arguments)
    if not piece.id:
        return chat.ToolCallDelta(index=piece.index, function=function)
    return chat.ToolCallDelta(index=piece.index, id=piece.id, type="function", function=function)


async def _collect(pieces: AsyncGenerator[Piece], reply: _Reply) -> chat.ChatCompletion:
    """Gather a stream into one body: the answer that is not streamed is the same stream, collected."""
    text: list[str] = []
    reasoning: list[str] = []
    calls: dict[int, list[CallPiece]] = {}
    end: Finished | None = None
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            match piece:
                case TextPiece():
                    text.append(piece.text)
                case ReasoningPiece():
                    reasoning.append(piece.text)
                case CallPiece():
                    calls.setdefault(piece.index, []).append(piece)
                case Finished():
                    end = piece
                case Loading() | Progress():
                    pass
    assert end is not None, "an engine's stream ends with Finished or raises"
    message = chat.ReplyMessage(
        content="".join(text) or (None if calls else ""),
        reasoning_content="".join(reasoning) or UNSET,
        tool_calls=[_whole_call(parts) for _, parts in sorted(calls.items())] or UNSET,
    )
    return chat.ChatCompletion(
        id=reply.id,
        created=reply.created,
        model=reply.model,
        choices=[chat.Choice(message=message, finish_reason=end.reason)],
        usage=end.usage,
        system_fingerprint=FINGERPRINT,
    )


def _whole_call(parts: list[CallPiece]) -> chat.ToolCall:
    arguments = "".join(part.arguments for part in parts)
    return chat.ToolCall(id=parts[0].id, function=chat.FunctionCall(parts[0].name, arguments))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/chat/completions",
        "chat: streaming, tools, JSON Schema",
        chat_completions,
        body=chat.ChatRequest,
        reply=chat.ChatCompletion,
    ),
)
