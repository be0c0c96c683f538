"""One ONNX model as an engine: embeddings over ONNX Runtime, chat over its generator, both in a child process."""

import asyncio
import contextlib
import importlib.util
import json
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec

from lmserver import calls, grammar, schema
from lmserver.engines import (
    CallPiece,
    CompletionRequest,
    Embedded,
    Finished,
    ForcedCall,
    GenerationRequest,
    JsonObject,
    JsonReply,
    Piece,
    Progress,
    TextPiece,
    Work,
)
from lmserver.engines.llama_embedding import Inputs, portions
from lmserver.engines.llama_wire import new_call_id, usage_of
from lmserver.engines.onnx_process import OnnxProcess
from lmserver.engines.onnx_wire import Done, Embed, Generate, Read, Settings, Text, Vectors
from lmserver.engines.reading import CallReader
from lmserver.engines.template import call_opening, with_tools
from lmserver.errors import ApiError, BadModelFile, cannot, unsupported
from lmserver.onnx_models import Encoder, Generator, OnnxModel, read_folder
from lmwire.errors import ErrorCode

NEEDED = ("onnxruntime", "onnxruntime_genai", "tokenizers")
"""What the extra `onnx` brings."""


class OnnxEngine:
    """A loaded ONNX model; made by `load`."""

    def __init__(self, child: OnnxProcess, model: OnnxModel, context_length: int) -> None:
        self._child = child
        self._pipeline = model.pipeline
        self._template = with_tools(model.header.chat_template or "")
        self._context_length = context_length

    @classmethod
    async def load(cls, folder: Path, *, context_length: int, threads: int) -> "OnnxEngine":
        """Start the child and wait until the model answers.

        Args:
            folder: where the model is.
            context_length: tokens that prompt and reply may have together.
            threads: CPU threads.

        Raises:
            ApiError: 500 `model_load_failed` with the reason.
        """
        if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
            raise _not_loaded(
                f"{folder.name} is an ONNX model, and {missing[0]} is not installed. "
                "Install it with `pip install 'vtcode[onnx]'`, and start the server again."
            )
        try:
            model = await asyncio.to_thread(read_folder, folder)
        except BadModelFile as error:
            raise _not_loaded(f"Could not load {folder.name}: {error}.") from error
        settings = Settings(pipeline=model.pipeline, context_length=context_length, threads=threads)
        return cls(await OnnxProcess.start(settings, folder.name), model, context_length)

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def parallel(self) -> int:
        return 1

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    async def close(self) -> None:
        await self._child.close()

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        match request.constraint:
            case ForcedCall():
                return self._forced(request, request.constraint)
            case JsonReply():
                return self._json(request, request.constraint)
            case None:
                return self._chat(request)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        if not isinstance(self._pipeline, Generator):
            raise cannot("complete text")
        _refuse_unsupported(request)

        def make(number: int) -> Generate:
            return Generate(
                id=number, prompt=request.prompt, sampling=request.sampling, max_tokens=request.max_tokens
            )

        async with contextlib.aclosing(self._generated(make)) as pieces:
            async for piece in pieces:
                yield piece

    async def embed(self, inputs: Inputs) -> Embedded:
        if not isinstance(self._pipeline, Encoder):
            raise cannot("embed")
        vectors: list[bytes] = []
        tokens = 0
        for portion in portions(inputs):
            answer = await self._embed(portion, len(vectors))
            vectors += answer.vectors
            tokens += answer.tokens
        return Embedded(vectors, tokens)

    # Chat ------------------------------------------------------------------------------------------------

    async def _chat(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        names = {tool["function"]["name"] for tool in request.tools} if request.may_call else set[str]()
        if names and not call_opening(self._template):
            raise unsupported("tools", "this model has a way of its own to write calls, which is not known for ONNX")
        reader = CallReader(names)
        async with contextlib.aclosing(self._generated(self._asking(request))) as pieces:
            async for piece in pieces:
                if isinstance(piece, TextPiece) and names:
                    for part in reader.feed(piece.text):
                        yield part
                elif isinstance(piece, Finished):
                    for part in reader.rest(is_cut=piece.reason == "length"):
                        yield part
                    is_call = reader.calls and piece.reason != "length"
                    yield Finished("tool_calls", piece.usage) if is_call else piece
                else:
                    yield piece

    async def _json(self, request: GenerationRequest, constraint: JsonReply) -> AsyncGenerator[Piece]:
        written: list[str] = []
        asking = self._asking(request, shape=constraint.schema)
        async with contextlib.aclosing(self._generated(asking)) as pieces:
            async for piece in pieces:
                if isinstance(piece, TextPiece):
                    written.append(piece.text)
                if isinstance(piece, Finished) and piece.reason != "length":
                    _valid("".join(written), constraint.schema)
                yield piece

    async def _forced(self, request: GenerationRequest, forced: ForcedCall) -> AsyncGenerator[Piece]:
        written: list[str] = []
        # Short strings, since a small model that repeats itself would never end one.
        shape = calls.call_schema(forced.functions, short=True)
        asking = self._asking(request, shape=shape, opening=call_opening(self._template))
        async with contextlib.aclosing(self._generated(asking)) as pieces:
            async for piece in pieces:
                if isinstance(piece, TextPiece):
                    written.append(piece.text)
                elif isinstance(piece, Finished) and piece.reason != "length":
                    call = _valid("".join(written), calls.call_schema(forced.functions))
                    yield CallPiece(index=0, id=new_call_id(), name=call["name"])
                    yield CallPiece(index=0, arguments=msgspec.json.encode(call["arguments"]).decode())
                    yield Finished("tool_calls", piece.usage)
                else:
                    yield piece

    def _asking(
        self, request: GenerationRequest, *, shape: JsonObject | None = None, opening: str = ""
    ) -> Callable[[int], Generate]:
        if not isinstance(self._pipeline, Generator):
            raise cannot("chat")
        _refuse_unsupported(request)
        messages = [_plain(index, message) for index, message in enumerate(request.messages)]
        # A grammar holds from the first token, so a thinking model must not think under one.
        variables = request.template_arguments | ({"enable_thinking": False} if shape else {})
        template = _assignments(variables) + self._template
        sampling = msgspec.structs.replace(request.sampling, stop=()) if shape else request.sampling
        return lambda number: Generate(
            id=number,
            messages=messages,
            tools=request.tools,
            template=template,
            opening=opening,
            sampling=sampling,
            max_tokens=request.max_tokens,
            grammar=grammar.of(grammar.value(shape)) if shape else "",
        )

    async def _generated(self, asking: Callable[[int], Generate]) -> AsyncGenerator[Progress | TextPiece | Finished]:
        async with contextlib.aclosing(self._child.ask(asking)) as answers:
            async for answer in answers:
                match answer:
                    case Read(total=total, cached=cached, processed=processed):
                        yield Progress(total, cached, processed)
                    case Text(text=text):
                        yield TextPiece(text)
                    case Done():
                        usage = usage_of(answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens)
                        yield Finished(answer.reason, usage)
                    case Vectors():
                        raise AssertionError("the child answers what it is asked")

    # Embeddings ------------------------------------------------------------------------------------------

    async def _embed(self, inputs: Inputs, offset: int) -> Vectors:
        """Embed one portion; its first input has the number `offset` in the request."""
        asked = self._child.ask(lambda number: Embed(number, [*inputs]))
        try:
            async with contextlib.aclosing(asked) as answers:
                async for answer in answers:
                    if isinstance(answer, Vectors):
                        return answer
        except ApiError as error:
            if error.body.param is None:
                raise
            param = f"input[{offset + int(error.body.param)}]"
            raise ApiError(error.status, f"{param}: {error.body.message}", code=_code(error), param=param) from error
        raise AssertionError("the child answers what it is asked")


def _refuse_unsupported(work: Work) -> None:
    """Refuse what would have no effect; a value that changes nothing is taken."""
    sampling = work.sampling
    without_effect = {
        "logprobs": work.top_logprobs is not None,
        "min_p": bool(sampling.min_p),
        "presence_penalty": bool(sampling.presence_penalty),
        "frequency_penalty": bool(sampling.frequency_penalty),
        "logit_bias": bool(sampling.logit_bias),
    }
    for name, is_asked in without_effect.items():
        if is_asked:
            raise unsupported(name, "ONNX Runtime's generator does not have it; a GGUF model does")


def _plain(index: int, message: JsonObject) -> JsonObject:
    """Give a message as the template renderer takes it: text only, and the arguments of calls as objects."""
    if not isinstance(message["content"], str):
        raise unsupported(f"messages[{index}].content", "this model does not see images")
    asked = [
        call | {"function": call["function"] | {"arguments": msgspec.json.decode(call["function"]["arguments"])}}
        for call in message.get("tool_calls", [])
    ]
    return message | ({"tool_calls": asked} if asked else {})


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def _assignments(variables: JsonObject) -> str:
    """Write variables into the template, since the renderer takes none."""
    for name, value in variables.items():
        if not (_NAME.fullmatch(name) and isinstance(value, (str, int, float, bool))):
            raise unsupported("chat_template_kwargs", f"{name[:64]!r} is not a name with a plain value")
    return "".join(f"{{%- set {name} = {json.dumps(value)} -%}}" for name, value in variables.items())


def _valid(text: str, shape: JsonObject) -> Any:
    try:
        value = msgspec.json.decode(text)
        fault = schema.fault(shape, value)
    except msgspec.DecodeError as error:
        value, fault = None, f"it is not JSON ({error})"
    if fault is not None:
        raise ApiError(
            500,
            f"The model's finished reply does not satisfy the schema: {fault}.",
            code=ErrorCode.OUTPUT_INVALID,
            kind="server_error",
        )
    return value


def _code(error: ApiError) -> ErrorCode:
    return ErrorCode(error.body.code or ErrorCode.INVALID_VALUE)


def _not_loaded(message: str) -> ApiError:
    return ApiError(500, message, code=ErrorCode.MODEL_LOAD_FAILED, param="model")
