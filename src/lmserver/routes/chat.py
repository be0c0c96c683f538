"""`POST /v1/chat/completions`: Chat Completions, streamed or whole."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from lmserver.engines import (
    CallPiece,
    Finished,
    GeneratedToken,
    GenerationRequest,
    Loading,
    Piece,
    Progress,
    ReasoningPiece,
    TextPiece,
)
from lmserver.errors import ApiError
from lmserver.guard import parse
from lmserver.routes import Endpoint
from lmserver.routes.asked import seeds
from lmserver.routes.chat_request import checked_after, generation
from lmserver.routes.choices import Numbered, run_choices, total
from lmserver.routes.work import EventStream, Job, waiting, while_connected
from lmserver.service import Service
from lmwire import chat, sse
from lmwire.errors import ErrorBody

FINGERPRINT = "vtcode"


async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    service: Service = request.app.state.service
    asked = await parse(request, chat.ChatRequest)
    # A large schema takes a while to check, and others are waiting.
    work = await asyncio.to_thread(generation, asked, service.settings.output_limit)
    job = Job(request, asked.model, ttl=asked.ttl)
    reply = _Reply(asked, job)
    pieces = run_choices(job, _choices(work, asked))
    headers = checked_after(work)
    if asked.stream:
        # The first piece is awaited before the status is sent, so that a refusal is a status and not an event.
        first = await while_connected(request, anext(pieces))
        return EventStream(_events(first, pieces, reply), pieces, headers)
    whole = await while_connected(request, _collect(pieces, reply))
    return Response(msgspec.json.encode(whole), headers=headers, media_type="application/json")


def _choices(work: GenerationRequest, asked: chat.ChatRequest) -> list[GenerationRequest]:
    replace = msgspec.structs.replace
    return [replace(work, sampling=replace(work.sampling, seed=seed)) for seed in seeds(asked, asked.n or 1)]


class _Reply:
    """The identity that all chunks of one reply share."""

    def __init__(self, asked: chat.ChatRequest, job: Job) -> None:
        self.id = f"chatcmpl-{secrets.token_urlsafe(18)}"
        self.created = int(time.time())
        self._job = job
        self.choices = asked.n or 1
        self.wants_usage = bool(asked.stream_options and asked.stream_options.include_usage)
        self.wants_progress = bool(asked.return_progress)
        self.wants_logprobs = bool(asked.logprobs)

    @property
    def model(self) -> str:
        return self._job.model

    def chunk(
        self,
        delta: chat.Delta | None = None,
        finish: chat.FinishReason | None = None,
        *,
        index: int = 0,
        logprobs: chat.ChoiceLogprobs | None = None,
        **members: object,
    ) -> bytes:
        choices = []
        if delta is not None:
            choices = [chat.ChunkChoice(index=index, delta=delta, finish_reason=finish, logprobs=logprobs)]
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

    def logprobs(self, tokens: list[GeneratedToken]) -> chat.ChoiceLogprobs | None:
        return chat.ChoiceLogprobs([_logprob(token) for token in tokens]) if self.wants_logprobs else None


def _logprob(token: GeneratedToken) -> chat.TokenLogprob:
    top = [chat.TopLogprob(other.token, other.logprob, other.bytes) for other in token.top]
    return chat.TokenLogprob(token.token, token.logprob, token.bytes, top)


# Streamed -----------------------------------------------------------------------------------------------


async def _events(first: Numbered, rest: AsyncGenerator[Numbered], reply: _Reply) -> AsyncGenerator[bytes]:
    usages: dict[int, chat.Usage] = {}
    try:
        for index in range(reply.choices):
            yield reply.chunk(chat.Delta(role="assistant", content=""), index=index)
        yield _event(*first, reply)
        # No stream begins with its end, so the first piece has no usage.
        async for index, piece in rest:
            if isinstance(piece, Finished):
                usages[index] = piece.usage
            yield _event(index, piece, reply)
    except ApiError as error:
        # The status is gone already: an error event, and no [DONE], is how a stream says that it failed.
        yield sse.event(ErrorBody(error.body))
        return
    if reply.wants_usage:
        yield reply.chunk(usage=total([usages[index] for index in sorted(usages)]))
    yield sse.DONE


def _event(index: int, piece: Piece, reply: _Reply) -> bytes:
    match piece:
        case TextPiece(text=text, tokens=tokens):
            return reply.chunk(chat.Delta(content=text), index=index, logprobs=reply.logprobs(list(tokens)))
        case ReasoningPiece(text=text):
            return reply.chunk(chat.Delta(reasoning_content=text), index=index)
        case CallPiece():
            return reply.chunk(chat.Delta(tool_calls=[_call_delta(piece)]), index=index)
        case Progress() if reply.wants_progress:
            progress = chat.PromptProgress(piece.total, piece.cached, piece.processed)
            return reply.chunk(chat.Delta(), index=index, prompt_progress=progress)
        case Loading() | Progress():
            return waiting(piece)
        case Finished(reason=reason):
            return reply.chunk(chat.Delta(), reason, index=index)


def _call_delta(piece: CallPiece) -> chat.ToolCallDelta:
    function = chat.FunctionCallDelta(name=piece.name or UNSET, arguments=piece.arguments)
    if not piece.id:
        return chat.ToolCallDelta(index=piece.index, function=function)
    return chat.ToolCallDelta(index=piece.index, id=piece.id, type="function", function=function)


# Whole --------------------------------------------------------------------------------------------------


class _Gathered(msgspec.Struct):
    """One choice, as far as it has come."""

    text: str = ""
    reasoning: str = ""
    tokens: list[GeneratedToken] = []
    calls: dict[int, list[CallPiece]] = {}
    end: Finished | None = None


async def _collect(pieces: AsyncGenerator[Numbered], reply: _Reply) -> chat.ChatCompletion:
    """Gather a stream into one body: the answer that is not streamed is the same stream, collected."""
    gathered = [_Gathered() for _ in range(reply.choices)]
    async with contextlib.aclosing(pieces):
        async for index, piece in pieces:
            choice = gathered[index]
            match piece:
                case TextPiece():
                    choice.text += piece.text
                    choice.tokens += piece.tokens
                case ReasoningPiece():
                    choice.reasoning += piece.text
                case CallPiece():
                    choice.calls.setdefault(piece.index, []).append(piece)
                case Finished():
                    choice.end = piece
                case Loading() | Progress():
                    pass
    return chat.ChatCompletion(
        id=reply.id,
        created=reply.created,
        model=reply.model,
        choices=[_choice(index, choice, reply) for index, choice in enumerate(gathered)],
        usage=total([choice.end.usage for choice in gathered if choice.end]),
        system_fingerprint=FINGERPRINT,
    )


def _choice(index: int, gathered: _Gathered, reply: _Reply) -> chat.Choice:
    assert gathered.end is not None, "an engine's stream ends with Finished or raises"
    calls = [_whole_call(parts) for _, parts in sorted(gathered.calls.items())]
    message = chat.ReplyMessage(
        content=gathered.text or (None if calls else ""),
        reasoning_content=gathered.reasoning or UNSET,
        tool_calls=calls or UNSET,
    )
    return chat.Choice(
        index=index,
        message=message,
        logprobs=reply.logprobs(gathered.tokens),
        finish_reason=gathered.end.reason,
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
