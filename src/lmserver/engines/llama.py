"""One GGUF model as an engine: chat, forced calls and JSON over llama.cpp's own server in a child process.

The child is always asked to stream: only a streamed request stops when its connection closes, so this is
what makes a cancel prompt, whatever the client asked for.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

import msgspec

from lmserver.engines import (
    CompletionRequest,
    Embedded,
    Finished,
    ForcedCall,
    GenerationRequest,
    JsonObject,
    Piece,
    Progress,
    Sampling,
    TextPiece,
)
from lmserver.engines.control import Defuser, Vocabulary, markers_of
from lmserver.engines.llama_child import ChildSettings
from lmserver.engines.llama_embedding import embed
from lmserver.engines.llama_guided import GuidedReply, render, with_plain_tools
from lmserver.engines.llama_process import LlamaProcess
from lmserver.engines.llama_wire import Chunk, Detokenized, cached_of, pieces_of, tokens_of, usage_of
from lmserver.engines.template import call_opening, may_think, with_tools
from lmserver.errors import ApiError, cannot, invalid
from lmwire.chat import Usage
from lmwire.errors import ErrorCode


class LlamaEngine:
    """A loaded GGUF model; made by `load`."""

    def __init__(self, child: LlamaProcess, vocabulary: Vocabulary) -> None:
        self._child = child
        self._vocabulary = vocabulary
        markers = markers_of(child.settings.chat_template)
        self._defuser = Defuser(markers.union(vocabulary.control))

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
        adapter_path: str = "",
        adapter_prefix: str = "",
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
            adapter_path: the file of an adapter that is laid over the model; empty means none.
            adapter_prefix: how the instructions begin that the adapter is for; empty means all.
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
            adapter_path=adapter_path,
            adapter_prefix=adapter_prefix,
            chat_template="" if embeddings else with_tools(template or CHATML),
            cache_mib=0 if embeddings else 512,
            embeddings=embeddings,
        )
        reading = asyncio.create_task(asyncio.to_thread(Vocabulary.read, path))
        child = await LlamaProcess.start(settings)
        try:
            return cls(child, await reading)
        except BaseException:
            # An unload may come here as well, and nobody else knows of the child yet.
            await child.close()
            raise

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

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        self._check_bias(request.sampling)
        request = self._defuser.request(request)
        request = msgspec.structs.replace(
            request,
            max_tokens=min(request.max_tokens, self.context_length),
            template_arguments=self._default_thinking(request) | request.template_arguments,
        )
        # The engine has no probabilities beside tools, called or not.
        is_raw = request.constraint is not None or (request.top_logprobs is not None and bool(request.tools))
        begun = GuidedReply(self._child, request).pieces() if is_raw else self._chat(request)
        async with contextlib.aclosing(begun) as pieces:
            async for piece in pieces:
                yield piece

    def _default_thinking(self, request: GenerationRequest) -> JsonObject:
        # The engine's own default is off, for models that were made to think too. What must be JSON or a call is
        # mostly wanted at once: there thinking is for those who ask.
        if not may_think(self._child.settings.chat_template):
            return {}
        return {"enable_thinking": request.constraint is None}

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        self._check_bias(request.sampling)
        self._check_ids(request.prompt)
        body: JsonObject = msgspec.to_builtins(request.sampling) | {
            "prompt": request.prompt,
            "n_predict": min(request.max_tokens, self.context_length),
        }
        top = request.top_logprobs
        if top is not None:
            body["n_probs"] = max(top, 1)
        is_echoed = request.is_echoed
        try:
            async with contextlib.aclosing(self._child.stream("/completion", body)) as chunks:
                async for chunk in chunks:
                    if progress := chunk.prompt_progress:
                        yield Progress(progress.total, progress.cache, progress.processed)
                        continue
                    if is_echoed:
                        is_echoed = False
                        yield TextPiece(await self._text_of(request.prompt))
                    if chunk.content:
                        yield TextPiece(chunk.content, tokens_of(chunk.completion_probabilities, top))
                    if chunk.stop:
                        usage = usage_of(chunk.tokens_evaluated, chunk.tokens_predicted, chunk.timings.cache_n)
                        yield Finished("length" if chunk.stop_type == "limit" else "stop", usage)
                        return
        except ApiError as error:
            if error.body.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED:
                raise ApiError(
                    400, error.body.message, code=ErrorCode.CONTEXT_LENGTH_EXCEEDED, param="prompt"
                ) from error
            raise
        raise await self._child.ended("closed its stream before the reply was finished")

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        if not self._child.settings.embeddings:
            raise cannot("embed")
        return await embed(self._child, inputs)

    async def render(self, request: GenerationRequest) -> str:
        opening = call_opening(self._child.settings.chat_template)
        prompt = await render(self._child, self._defuser.request(request))
        return prompt + opening if isinstance(request.constraint, ForcedCall) else prompt

    async def _text_of(self, prompt: str | list[int]) -> str:
        if isinstance(prompt, str):
            return prompt
        answer = await self._child.post("/detokenize", {"tokens": prompt})
        return msgspec.json.decode(answer, type=Detokenized).content

    def _check_bias(self, sampling: Sampling) -> None:
        size = self._vocabulary.size
        for token in sampling.logit_bias or {}:
            if size and int(token) >= size:
                raise invalid("logit_bias", f"there is no token {token}; the vocabulary has {size:,}")

    def _check_ids(self, prompt: str | list[int]) -> None:
        size = self._vocabulary.size
        if not isinstance(prompt, str) and size and (wrong := [token for token in prompt if token >= size]):
            raise invalid("prompt", f"there is no token {wrong[0]}; the vocabulary has {size:,}")

    # Free replies ----------------------------------------------------------------------------------------

    async def _chat(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        reason, usage, thoughts = "", Usage(), 0
        called: set[int] = set()
        async with contextlib.aclosing(await self._begin(request)) as chunks:
            async for chunk in chunks:
                if progress := chunk.prompt_progress:
                    yield Progress(progress.total, progress.cache, progress.processed)
                if chunk.usage:
                    spent = chunk.usage
                    usage = usage_of(spent.prompt_tokens, spent.completion_tokens, cached_of(spent), thoughts)
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    thoughts += bool(choice.delta.reasoning_content)
                    for piece in pieces_of(choice, called, request.top_logprobs):
                        yield piece
        if not reason:
            raise await self._child.ended("closed its stream before the reply was finished")
        # A call that the limit cut is no call.
        yield Finished("length" if reason == "length" else "tool_calls" if called else "stop", usage)

    async def _begin(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        body: JsonObject = msgspec.to_builtins(request.sampling) | {
            "messages": request.messages,
            "max_tokens": request.max_tokens,
            "stream_options": {"include_usage": True},
            "chat_template_kwargs": request.template_arguments,
        }
        if request.top_logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": max(request.top_logprobs, 1)}
        if request.tools:
            # The prompt holds the tools either way, so that the cached prefix is the same.
            choice = "auto" if request.may_call else "none"
            body |= {"tool_choice": choice, "parallel_tool_calls": request.parallel_calls}

        async def ask(tools: list[JsonObject]) -> AsyncGenerator[Chunk]:
            chunks = self._child.stream("/v1/chat/completions", body | ({"tools": tools} if tools else {}))
            # What the child refuses is seen with the first chunk.
            first = await anext(chunks, None)
            return _resumed(first, chunks)

        return await with_plain_tools(request.tools, ask)


async def _resumed(first: Chunk | None, rest: AsyncGenerator[Chunk]) -> AsyncGenerator[Chunk]:
    async with contextlib.aclosing(rest):
        if first is not None:
            yield first
        async for chunk in rest:
            yield chunk


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""For files that carry no template: the format that most small models saw."""
