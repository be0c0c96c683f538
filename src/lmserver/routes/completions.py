"""`POST /v1/completions`: text that goes on where a prompt ends, without a chat template."""

import contextlib
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Literal, cast

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from lmserver.engines import (
    CallPiece,
    CompletionRequest,
    Finished,
    GeneratedToken,
    Loading,
    Piece,
    Progress,
    ReasoningPiece,
    TextPiece,
)
from lmserver.errors import ApiError, invalid, unsupported
from lmserver.guard import parse
from lmserver.routes import Endpoint
from lmserver.routes.asked import refuse_unsupported, sampling_of, seeds
from lmserver.routes.chat import FINGERPRINT
from lmserver.routes.choices import Numbered, run_choices, total
from lmserver.routes.work import EventStream, Job, waiting, while_connected
from lmserver.service import Service
from lmwire import completions, sse
from lmwire.chat import Usage
from lmwire.errors import ErrorBody

DEFAULT_TOKENS = 16
"""Tokens of a completion that sets no limit; OpenAI's own number."""

MAX_CHOICES = 16
"""Choices of all prompts together."""

Prompt = str | list[int]


async def text_completions(request: Request) -> Response:
    """Continue one prompt or several."""
    service: Service = request.app.state.service
    asked = await parse(request, completions.CompletionRequest)
    works = translate(asked, service.settings.output_limit)
    job = Job(request, asked.model, ttl=asked.ttl)
    reply = _Reply(asked, job, len(works))
    pieces = run_choices(job, works, len(works) // (asked.n or 1))
    if asked.stream:
        first = await while_connected(request, anext(pieces))
        return EventStream(_events(first, pieces, reply), pieces)
    whole = await while_connected(request, _collect(pieces, reply))
    return Response(msgspec.json.encode(whole), media_type="application/json")


# Request → engine ---------------------------------------------------------------------------------------


def translate(asked: completions.CompletionRequest, output_limit: int) -> list[CompletionRequest]:
    """Translate a request for an engine: all choices of the first prompt, then of the next.

    Raises:
        ApiError: 400 for what cannot have its effect, naming the parameter.
    """
    refuse_unsupported(asked)
    n = asked.n or 1
    if asked.suffix:
        raise unsupported("suffix", "text cannot be filled in before another here; leave it out")
    if asked.best_of is not None and asked.best_of != n:
        raise unsupported("best_of", "all choices that are made are sent; leave it out, and set n")
    if asked.max_tokens == 0:
        raise invalid("max_tokens", f"expected at least 1; leave it out for {DEFAULT_TOKENS}")
    if asked.echo and asked.logprobs is not None:
        raise unsupported("echo", "the prompt's own tokens have no log probabilities here; leave out one of the two")
    prompts = _prompts(asked.prompt)
    if len(prompts) * n > MAX_CHOICES:
        raise invalid("prompt", f"{len(prompts)} prompts with {n} choices each; at most {MAX_CHOICES} in all")
    limit = DEFAULT_TOKENS if asked.max_tokens is None else asked.max_tokens
    sampling = sampling_of(asked)
    return [
        CompletionRequest(
            prompt=prompt,
            sampling=msgspec.structs.replace(sampling, seed=seed),
            max_tokens=limit if limit > 0 else output_limit,
            top_logprobs=asked.logprobs,
            is_echoed=bool(asked.echo),
        )
        for prompt in prompts
        for seed in seeds(asked, n)
    ]


def _prompts(given: str | list[str | int | list[int]]) -> list[Prompt]:
    prompts: list[Prompt]
    if isinstance(given, str):
        prompts = [given]
    elif all(isinstance(each, int) for each in given):
        prompts = [cast("list[int]", given)]
    elif any(isinstance(each, int) for each in given):
        raise invalid("prompt", "texts, lists of token ids, or token ids: not ids beside the others")
    else:
        prompts = [each for each in given if not isinstance(each, int)]
    for index, prompt in enumerate(prompts):
        if not prompt:
            raise invalid(f"prompt[{index}]" if len(prompts) > 1 else "prompt", "is empty")
        if not isinstance(prompt, str) and not all(0 <= token < 1 << 31 for token in prompt):
            raise invalid("prompt", "a token id is at least 0 and below 2^31")
    return prompts


# Engine → response --------------------------------------------------------------------------------------


class _Choice(msgspec.Struct):
    """One choice, as far as it has come."""

    text: str = ""
    logprobs: completions.Logprobs | None = None
    end: Finished | None = None


class _Reply:
    """The identity that all events of one reply share, and its choices."""

    def __init__(self, asked: completions.CompletionRequest, job: Job, choices: int) -> None:
        self.id = f"cmpl-{secrets.token_urlsafe(18)}"
        self.created = int(time.time())
        self.wants_usage = bool(asked.stream_options and asked.stream_options.include_usage)
        self.choices = [_Choice() for _ in range(choices)]
        self._prompts = choices // (asked.n or 1)
        self._top = asked.logprobs
        self._job = job

    def body(self, choices: list[completions.CompletionChoice]) -> completions.Completion:
        return completions.Completion(
            id=self.id, created=self.created, model=self._job.model, choices=choices, system_fingerprint=FINGERPRINT
        )

    def usage(self) -> Usage:
        return total([choice.end.usage for choice in self.choices if choice.end], self._prompts)

    def take(self, index: int, piece: TextPiece) -> completions.CompletionChoice:
        """Add a piece to its choice, and give what it adds."""
        choice = self.choices[index]
        logprobs = None if self._top is None else _logprobs(piece.tokens, len(choice.text), self._top)
        choice.text += piece.text
        choice.logprobs = _joined(choice.logprobs, logprobs)
        return completions.CompletionChoice(text=piece.text, index=index, logprobs=logprobs, finish_reason=None)

    def finish(self, index: int, end: Finished) -> Literal["stop", "length"]:
        """Note the end of a choice, and say how it ended."""
        self.choices[index].end = end
        return "length" if end.reason == "length" else "stop"


def _logprobs(tokens: tuple[GeneratedToken, ...], offset: int, top: int) -> completions.Logprobs:
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return completions.Logprobs(
        tokens=[token.token for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[{other.token: other.logprob for other in token.top} for token in tokens] if top else None,
        text_offset=offsets,
    )


def _joined(a: completions.Logprobs | None, b: completions.Logprobs | None) -> completions.Logprobs | None:
    if a is None or b is None:
        return a or b
    return completions.Logprobs(
        tokens=a.tokens + b.tokens,
        token_logprobs=a.token_logprobs + b.token_logprobs,
        top_logprobs=None if a.top_logprobs is None else a.top_logprobs + (b.top_logprobs or []),
        text_offset=a.text_offset + b.text_offset,
    )


async def _events(first: Numbered, rest: AsyncGenerator[Numbered], reply: _Reply) -> AsyncGenerator[bytes]:
    try:
        yield _event(*first, reply)
        async for index, piece in rest:
            yield _event(index, piece, reply)
    except ApiError as error:
        # As in Chat Completions: an error event, and no [DONE].
        yield sse.event(ErrorBody(error.body))
        return
    if reply.wants_usage:
        yield sse.event(msgspec.structs.replace(reply.body([]), usage=reply.usage()))
    yield sse.DONE


def _event(index: int, piece: Piece, reply: _Reply) -> bytes:
    match piece:
        case TextPiece():
            choice = reply.take(index, piece)
        case Finished():
            reason = reply.finish(index, piece)
            choice = completions.CompletionChoice(text="", index=index, finish_reason=reason)
        case Loading() | Progress():
            return waiting(piece)
        case ReasoningPiece() | CallPiece():
            raise AssertionError("a completion is text alone")
    body = reply.body([choice])
    return sse.event(msgspec.structs.replace(body, usage=None if reply.wants_usage else UNSET))


async def _collect(pieces: AsyncGenerator[Numbered], reply: _Reply) -> completions.Completion:
    ends: dict[int, Literal["stop", "length"]] = {}
    async with contextlib.aclosing(pieces):
        async for index, piece in pieces:
            if isinstance(piece, TextPiece):
                reply.take(index, piece)
            elif isinstance(piece, Finished):
                ends[index] = reply.finish(index, piece)
    choices = [
        completions.CompletionChoice(
            text=choice.text, index=index, logprobs=choice.logprobs, finish_reason=ends[index]
        )
        for index, choice in enumerate(reply.choices)
    ]
    return msgspec.structs.replace(reply.body(choices), usage=reply.usage())


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/completions",
        "text completion without a chat template",
        text_completions,
        body=completions.CompletionRequest,
        reply=completions.Completion,
    ),
)
