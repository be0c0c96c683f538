"""Replies that must be a call or JSON, over raw completions under a grammar of ours.

llama.cpp's own `required` lets free text run on before the call, and it takes no grammar beside tools. So the
prompt is rendered by the model's template, the grammar holds once reasoning has ended, and what comes is taken
apart and validated here.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from lmserver import calls, grammar, schema
from lmserver.engines import (
    CallPiece,
    Constraint,
    Finished,
    ForcedCall,
    GenerationRequest,
    JsonObject,
    JsonReply,
    Piece,
    Progress,
    Sampling,
    TextPiece,
)
from lmserver.engines.llama_process import LlamaProcess
from lmserver.engines.llama_wire import Rendered, new_call_id, tokens_of, usage_of
from lmserver.engines.split import Answer, Splitter, Thinking
from lmserver.engines.template import (
    CALL_CLOSING,
    CALL_OPENING,
    THINK_CLOSING,
    THINK_OPENING,
    call_opening,
    may_think,
)
from lmserver.errors import ApiError
from lmwire.chat import FunctionDefinition
from lmwire.errors import ErrorCode

T = TypeVar("T")

_PARSER_GAVE_UP = ("generate parser", "parse grammar", "JSON schema")
_RETRY_TEMPERATURE = 0.8
"""A second attempt at temperature 0 would write the same again."""


class _Attempt(msgspec.Struct, kw_only=True):
    """One raw completion: what it is asked, and what it came to."""

    prompt: str
    splitter: Splitter
    sampling: Sampling
    budget: int
    """Tokens that it may take."""
    is_short: bool = False
    """Whether strings are bounded, since the last attempt only repeated itself."""
    prompt_tokens: int = 0
    cached: int = 0
    spent: int = 0
    end: Literal["stop", "cut", "looping"] = "stop"
    held: list[Piece] = []
    """Text that is shown only once it is validated."""


class GuidedReply:
    """One reply to a request that a raw completion answers."""

    def __init__(self, child: LlamaProcess, request: GenerationRequest) -> None:
        self._child = child
        self._request = request
        self._constraint = request.constraint
        self._opening = call_opening(child.settings.chat_template)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """Stream the reply. Raises `ApiError` 422 `output_invalid` when it breaks what was promised."""
        first = attempt = await self._first()
        async with contextlib.aclosing(self._run(first)) as shown:
            async for piece in shown:
                yield piece
        rest, fault = self._rest(first)
        if self._is_worth_another(first, fault):
            attempt = self._second(first)
            async with contextlib.aclosing(self._run(attempt)) as shown:
                async for piece in shown:
                    yield piece
            rest, fault = self._rest(attempt)
        if fault is not None:
            raise ApiError(
                422,
                f"The model's finished reply does not satisfy the schema: {fault}. Ask again, or ask for less.",
                code=ErrorCode.OUTPUT_INVALID,
            )
        for piece in rest:
            yield piece
        spent = first.spent + (0 if attempt is first else attempt.spent)
        called = any(isinstance(piece, CallPiece) for piece in rest)
        yield Finished(
            "length" if attempt.end != "stop" else "tool_calls" if called else "stop",
            usage_of(first.prompt_tokens, spent, first.cached, first.splitter.reasoning_tokens),
        )

    # Attempts --------------------------------------------------------------------------------------------

    async def _first(self) -> _Attempt:
        prompt = await render(self._child, self._request)
        thinking = self._thinking(prompt)
        answer: Answer = "text"
        match self._constraint:
            case ForcedCall():
                answer = "calls"
                # In the prompt the opening costs no tokens; after reasoning only the grammar can write it.
                prompt += self._opening if thinking == "none" else ""
            case JsonReply(functions=functions):
                answer = "either" if functions else "text"
                if functions and self._opening != CALL_OPENING:
                    raise ApiError(
                        400,
                        "response_format: this model's own form of calls cannot stand beside JSON; set tool_choice "
                        "to none or required, or leave response_format out.",
                        code=ErrorCode.UNSUPPORTED_PARAMETER,
                        param="response_format",
                    )
            case None:
                pass
        return _Attempt(
            prompt=prompt,
            splitter=Splitter(thinking, answer),
            sampling=self._request.sampling,
            budget=self._request.max_tokens,
        )

    def _thinking(self, prompt: str) -> Thinking:
        end = prompt.rstrip()
        if end.endswith(THINK_OPENING):
            return "open"
        if end.endswith(THINK_CLOSING) or self._request.template_arguments.get("enable_thinking") is False:
            return "none"
        return "possible" if may_think(self._child.settings.chat_template) else "none"

    def _is_worth_another(self, attempt: _Attempt, fault: str | None) -> bool:
        if attempt.end == "looping":
            return attempt.spent < attempt.budget
        return fault is not None and bool(self._checked_after) and attempt.spent < attempt.budget

    def _second(self, attempt: _Attempt) -> _Attempt:
        """Ask again where reasoning has ended: bounded after a loop, else hotter."""
        prompt, sampling = attempt.prompt, attempt.sampling
        if attempt.splitter.reasoning:
            opening = "" if attempt.splitter.thinking == "open" else THINK_OPENING
            prompt += f"{opening}{attempt.splitter.reasoning}{THINK_CLOSING}\n\n"
        if attempt.splitter.thinking != "none" and self._is_forced:
            prompt += self._opening
        is_short = attempt.end == "looping"
        if not is_short:
            heat = max(sampling.temperature or 0.0, _RETRY_TEMPERATURE)
            seed = None if sampling.seed is None else (sampling.seed + 1) % 0xFFFFFFFF
            sampling = msgspec.structs.replace(sampling, temperature=heat, seed=seed)
        return _Attempt(
            prompt=prompt,
            splitter=Splitter("none", "calls" if self._is_forced else "either" if self._functions else "text"),
            sampling=sampling,
            budget=attempt.budget - attempt.spent,
            is_short=is_short,
        )

    async def _run(self, attempt: _Attempt) -> AsyncGenerator[Piece]:
        top, splitter = self._request.top_logprobs, attempt.splitter
        body: JsonObject = msgspec.to_builtins(attempt.sampling) | {
            "prompt": attempt.prompt,
            "n_predict": attempt.budget,
        }
        follower = None
        if self._constraint is not None:
            body["grammar"] = self._grammar(attempt)
            # Compiling takes a while, and others are waiting.
            follower = await asyncio.to_thread(grammar.Follower, body["grammar"])
        if top is not None:
            body["n_probs"] = max(top, 1)
        ended, written = False, 0
        async with contextlib.aclosing(self._child.stream("/completion", body)) as chunks:
            async for chunk in chunks:
                if progress := chunk.prompt_progress:
                    yield Progress(progress.total, progress.cache, progress.processed)
                written += bool(chunk.content)
                if follower is not None and not follower.allows(chunk.content):
                    raise _not_in_force(self._constraint)
                tokens = tokens_of(chunk.completion_probabilities, top)
                for piece in splitter.feed(chunk.content, tokens, is_last=chunk.stop):
                    # What is checked only at its end is not shown before.
                    if self._checked_after and isinstance(piece, TextPiece):
                        attempt.held.append(piece)
                    else:
                        yield piece
                attempt.prompt_tokens = chunk.tokens_evaluated or attempt.prompt_tokens
                if chunk.stop:
                    ended = True
                    attempt.end = "cut" if chunk.stop_type == "limit" else "stop"
                    attempt.spent, attempt.cached = chunk.tokens_predicted, chunk.timings.cache_n
                elif written % 16 == 0 and repeats_itself(splitter.calls):
                    ended = True
                    attempt.end, attempt.spent = "looping", written
                    break
        if not ended:
            raise await self._child.ended("closed its stream before the reply was finished")

    # Grammars --------------------------------------------------------------------------------------------

    def _grammar(self, attempt: _Attempt) -> str:
        rules: dict[str, str] = {}
        start: list[str] = []
        match attempt.splitter.thinking:
            case "open":
                start.append("think")
            case "possible":
                start.append("think?")
                rules["think"] = f"{json.dumps(THINK_OPENING)} thought /[ \\n]{{0,4}}/"
            case "none":
                pass
        if start:
            rules.setdefault("think", "thought /[ \\n]{0,4}/")
            rules[f"thought[suffix={json.dumps(THINK_CLOSING)}]"] = "/(.|\\n)*/"
        if self._functions:
            rules["body"] = grammar.value(calls.call_schema(self._functions, short=attempt.is_short))
        match self._constraint:
            case ForcedCall():
                is_open = attempt.splitter.thinking == "none" or not self._opening
                start.append("body" if is_open else f"{json.dumps(self._opening)} body")
            case JsonReply(schema=wanted, functions=functions):
                rules["reply"] = grammar.value(wanted)
                start.append("(reply | calls)" if functions else "reply")
                if functions:
                    more = ' ("\\n" call)*' if self._request.parallel_calls else ""
                    rules["calls"] = f"call{more}"
                    rules["call"] = f"{json.dumps(CALL_OPENING)} body {json.dumps(CALL_CLOSING)}"
            case None:
                pass
        return grammar.of(" ".join(start), **rules)

    @property
    def _functions(self) -> Sequence[Any]:
        return self._constraint.functions if self._constraint else ()

    @property
    def _is_forced(self) -> bool:
        return isinstance(self._constraint, ForcedCall)

    @property
    def _checked_after(self) -> tuple[str, ...]:
        return self._constraint.checked_after if self._constraint else ()

    # Ends ------------------------------------------------------------------------------------------------

    def _rest(self, attempt: _Attempt) -> tuple[list[Piece], str | None]:
        """Give what is still to be shown of a reply, and what is wrong with it."""
        splitter = attempt.splitter
        if attempt.end != "stop" or self._constraint is None:
            return attempt.held, None
        try:
            match self._constraint:
                case JsonReply(schema=wanted) if splitter.answer != "calls":
                    return attempt.held, schema.fault(wanted, msgspec.json.decode(splitter.text))
                case JsonReply():
                    values = _many(splitter.calls)
                case ForcedCall():
                    # Some grammars leave the opening to the model, in the prompt it is not part of the reply.
                    values = [msgspec.json.decode(splitter.calls.removeprefix(self._opening))]
        except ValueError as error:
            return [], f"it is not JSON ({error})"
        # A short attempt obeys the plain shape too, so that is the one to check.
        shape = calls.call_schema(self._functions)
        fault = next((fault for value in values if (fault := schema.fault(shape, value))), None)
        return ([] if fault else _call_pieces(values)), fault


def _not_in_force(constraint: Constraint) -> ApiError:
    where = "response_format" if isinstance(constraint, JsonReply) else "tools"
    return ApiError(
        400,
        f"The engine cannot hold the model to the grammar of {where}: its compiler gave up. Use a simpler schema.",
        code=ErrorCode.UNSUPPORTED_SCHEMA,
        param=where,
    )


def _many(raw: str) -> list[Any]:
    """Read calls that stand between their markers, one after the other."""
    values: list[Any] = []
    decode = json.JSONDecoder().raw_decode
    at = 0
    while raw.startswith(CALL_OPENING, at):
        value, at = decode(raw, at + len(CALL_OPENING))
        values.append(value)
        at += len(CALL_CLOSING) + 1
    return values


def _call_pieces(values: list[Any]) -> list[Piece]:
    pieces: list[Piece] = []
    for index, call in enumerate(values):
        pieces.append(CallPiece(index=index, id=new_call_id(), name=call["name"]))
        pieces.append(CallPiece(index=index, arguments=msgspec.json.encode(call["arguments"]).decode()))
    return pieces


def repeats_itself(text: str, tail: int = 160, longest: int = 40) -> bool:
    """Tell whether the last `tail` characters are one piece of at most `longest` over and over."""
    end = text[-tail:]
    return len(end) == tail and any(end[period:] == end[:-period] for period in range(1, longest + 1))


async def render(child: LlamaProcess, request: GenerationRequest) -> str:
    """Have the child write the prompt of a conversation, up to where the reply begins."""
    body: JsonObject = {"messages": request.messages, "chat_template_kwargs": request.template_arguments}
    answer = await with_plain_tools(
        request.tools, lambda tools: child.post("/apply-template", body | {"tools": tools})
    )
    return msgspec.json.decode(answer, type=Rendered).prompt


async def with_plain_tools(tools: list[JsonObject], ask: Callable[[list[JsonObject]], Awaitable[T]]) -> T:
    """Ask the child, and once more with plainer parameters when its own schema parser gives up on these."""
    try:
        return await ask(tools)
    except ApiError as error:
        if not tools or error.status != 400 or not any(each in error.body.message for each in _PARSER_GAVE_UP):
            raise
    definitions = [msgspec.convert(tool["function"], FunctionDefinition) for tool in tools]
    return await ask([calls.as_tool(calls.plainer(definition)) for definition in definitions])
