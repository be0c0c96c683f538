"""One GGUF model as an engine: chat, forced calls and JSON over llama.cpp's own server in a child process.

The child is always asked to stream: only a streamed request stops when its connection closes, so this is
what makes a cancel prompt, whatever the client asked for.
"""

import contextlib
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Literal

import msgspec

from lmserver import schema
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
)
from lmserver.engines.llama_child import ChildSettings
from lmserver.engines.llama_embedding import embed
from lmserver.engines.llama_process import LlamaProcess
from lmserver.engines.llama_wire import (
    Chunk,
    Rendered,
    cached_of,
    new_call_id,
    pieces_of,
    usage_of,
)
from lmserver.engines.template import call_opening, with_tools
from lmserver.errors import ApiError, cannot
from lmwire.chat import Usage
from lmwire.errors import ErrorCode


class _Attempt(msgspec.Struct):
    """What a raw completion came to: its text, and how it ended."""

    budget: int
    """Tokens that it may take."""
    text: str = ""
    was_cut: bool = False
    is_looping: bool = False
    """Whether it was stopped since it only repeated itself."""
    usage: Usage = Usage()


class LlamaEngine:
    """A loaded GGUF model; made by `load`."""

    def __init__(self, child: LlamaProcess) -> None:
        self._child = child

    @classmethod
    async def load(
        cls,
        path: Path,
        template: str,
        *,
        context_length: int,
        parallel: int = 4,
        threads: int,
        batch: int = 256,
        gpu_layers: int = -1,
        draft_path: str = "",
        speculation: Literal["none", "ngram"] = "none",
        embeddings: bool = False,
    ) -> "LlamaEngine":
        """Start the child and wait until the model answers.

        Args:
            path: the GGUF file.
            template: the model's own chat template; empty means ChatML.
            context_length: tokens shared by all slots.
            parallel: requests that are computed together; more wait in the child's queue.
            threads: CPU threads; more than the free cores slows every one of them down.
            batch: tokens of a prompt that are read at a time; other streams wait for so long.
            gpu_layers: layers that are computed on a GPU if there is one; -1 means all.
            draft_path: the file of a smaller model that guesses ahead; empty means none.
            speculation: how to guess ahead without one.
            embeddings: whether the model gives one vector for a text instead of a next token.

        Raises:
            ApiError: 500 `model_load_failed` with the reason from the engine's log.
        """
        settings = ChildSettings(
            path=str(path),
            key=secrets.token_hex(16),
            context_length=context_length,
            parallel=parallel,
            threads=threads,
            batch=batch,
            gpu_layers=gpu_layers,
            draft_path=draft_path,
            speculation=speculation,
            chat_template="" if embeddings else with_tools(template or CHATML),
            cache_mib=0 if embeddings else 512,
            embeddings=embeddings,
        )
        return cls(await LlamaProcess.start(settings))

    @property
    def context_length(self) -> int:
        return self._child.settings.context_length

    @property
    def parallel(self) -> int:
        return self._child.settings.parallel

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
                return self._chat(request, {})

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        raise cannot("complete text")
        yield

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        if not self._child.settings.embeddings:
            raise cannot("embed")
        return await embed(self._child, inputs)

    async def render(self, request: GenerationRequest) -> str:
        match request.constraint:
            case ForcedCall():
                return await self._render(request) + call_opening(self._child.settings.chat_template)
            case JsonReply():
                return await self._render(request)
            case None:
                return await self._render(request, request.template_arguments)

    # Free replies, and JSON ------------------------------------------------------------------------------

    async def _chat(self, request: GenerationRequest, extra: JsonObject) -> AsyncGenerator[Piece]:
        body: JsonObject = {
            "messages": request.messages,
            "max_tokens": request.max_tokens,
            "stream_options": {"include_usage": True},
            "chat_template_kwargs": request.template_arguments,
            **extra,
        }
        if request.tools:
            body |= {
                "tools": request.tools,
                # The prompt holds the tools either way, so that the cached prefix is the same.
                "tool_choice": "auto" if request.may_call else "none",
                "parallel_tool_calls": request.parallel_calls,
            }
        reason, usage = "", Usage()
        called: set[int] = set()
        async with contextlib.aclosing(self._stream("/v1/chat/completions", body, request)) as chunks:
            async for chunk in chunks:
                if progress := chunk.prompt_progress:
                    yield Progress(progress.total, progress.cache, progress.processed)
                if chunk.usage:
                    usage = usage_of(chunk.usage.prompt_tokens, chunk.usage.completion_tokens, cached_of(chunk.usage))
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    for piece in pieces_of(choice.delta, called):
                        yield piece
        if not reason:
            raise await self._child.ended("closed its stream before the reply was finished")
        # A call that the limit cut is no call.
        yield Finished("length" if reason == "length" else "tool_calls" if called else "stop", usage)

    async def _json(self, request: GenerationRequest, constraint: JsonReply) -> AsyncGenerator[Piece]:
        written: list[str] = []
        # The grammar holds from the first token, so a thinking model must not think here.
        extra = {
            "grammar": schema.grammar(constraint.schema),
            "chat_template_kwargs": request.template_arguments | {"enable_thinking": False},
        }
        async with contextlib.aclosing(self._chat(request, extra)) as pieces:
            async for piece in pieces:
                if isinstance(piece, TextPiece):
                    written.append(piece.text)
                if isinstance(piece, Finished) and piece.reason != "length":
                    _require_valid("".join(written), constraint.schema)
                yield piece

    # Forced calls ----------------------------------------------------------------------------------------

    async def _forced(self, request: GenerationRequest, forced: ForcedCall) -> AsyncGenerator[Piece]:
        """Write one call under a grammar; llama.cpp's own `required` lets free text run on before the call."""
        prompt = await self._render(request) + call_opening(self._child.settings.chat_template)
        spent = 0
        attempt = _Attempt(budget=request.max_tokens)
        for short in (False, True):
            shape = schema.call_schema(forced.functions, short=short)
            attempt = _Attempt(budget=request.max_tokens - spent)
            async with contextlib.aclosing(self._complete(prompt, shape, request, attempt)) as progresses:
                async for progress in progresses:
                    yield progress
            spent += attempt.usage.completion_tokens
            # Only a model that repeats itself is helped by a second attempt, with short strings.
            if not attempt.is_looping:
                break
        usage = usage_of(attempt.usage.prompt_tokens, spent, cached_of(attempt.usage))
        if attempt.was_cut or attempt.is_looping:
            yield Finished("length", usage)
            return
        # A short attempt obeys the plain shape too, so that is the one to check.
        call = _require_valid(attempt.text, schema.call_schema(forced.functions))
        yield CallPiece(index=0, id=new_call_id(), name=call["name"])
        yield CallPiece(index=0, arguments=msgspec.json.encode(call["arguments"]).decode())
        yield Finished("tool_calls", usage)

    async def _render(self, request: GenerationRequest, arguments: JsonObject | None = None) -> str:
        if arguments is None:
            arguments = request.template_arguments | {"enable_thinking": False}
        body = {"messages": request.messages, "tools": request.tools, "chat_template_kwargs": arguments}
        return msgspec.json.decode(await self._child.post("/apply-template", body), type=Rendered).prompt

    async def _complete(
        self, prompt: str, shape: JsonObject, request: GenerationRequest, attempt: _Attempt
    ) -> AsyncGenerator[Progress]:
        body: JsonObject = {
            "prompt": prompt,
            "n_predict": attempt.budget,
            "grammar": schema.grammar(shape),
        }
        ended, written, prompt_tokens = False, 0, 0
        async with contextlib.aclosing(self._stream("/completion", body, request)) as chunks:
            async for chunk in chunks:
                if progress := chunk.prompt_progress:
                    yield Progress(progress.total, progress.cache, progress.processed)
                attempt.text += chunk.content
                written += bool(chunk.content)
                prompt_tokens = chunk.tokens_evaluated or prompt_tokens
                if not chunk.stop and written % 16 == 0 and repeats_itself(attempt.text):
                    ended = attempt.is_looping = True
                    attempt.usage = usage_of(prompt_tokens, written, 0)
                    break
                if chunk.stop:
                    ended = True
                    attempt.was_cut = chunk.stop_type == "limit"
                    attempt.usage = usage_of(chunk.tokens_evaluated, chunk.tokens_predicted, chunk.timings.cache_n)
        if not ended:
            raise await self._child.ended("closed its stream before the call was finished")

    def _stream(self, path: str, body: JsonObject, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        body = msgspec.to_builtins(request.sampling) | body
        if request.constraint is not None:
            body.pop("stop", None)
        if request.sampling.seed is not None:
            # A prompt that is read in other batches gives logits that differ in their last bits, which is
            # enough for another word now and then; and who sends a seed wants the same words again.
            body["cache_prompt"] = False
        return self._child.stream(path, body)


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""For files that carry no template: the format that most small models saw."""


def repeats_itself(text: str, tail: int = 160, longest: int = 40) -> bool:
    """Tell whether the last `tail` characters are one piece of at most `longest` over and over."""
    end = text[-tail:]
    return len(end) == tail and any(end[period:] == end[:-period] for period in range(1, longest + 1))


def _require_valid(text: str, shape: JsonObject) -> Any:
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
