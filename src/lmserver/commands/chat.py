"""`lmstudio chat`: a conversation with a model of the running server."""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from lmserver.commands.arguments import SUCCESS, add_address, command, positive
from lmserver.commands.loaded import connected
from lmserver.errors import ModelError
from lmserver.text import one_line, shown
from lmwire.chat import Usage
from lmwire.errors import ErrorObject

if TYPE_CHECKING:
    from lmserver.client import Client
    from lmserver.commands.arguments import Commands

_EXAMPLES = """  lmstudio chat                                    talk to the model that is loaded
  lmstudio chat qwen2.5-3b-instruct -s "Answer in one sentence."
  lmstudio chat -p "Why is the sky blue?" --stats
  git diff | lmstudio chat -s "Write a commit message for this." > message.txt"""
_NOTES = """While it answers, Ctrl-C stops the reply and keeps the conversation. Ctrl-D ends it.
Replies go to standard output; reasoning and figures go to standard error."""


def add(commands: "Commands") -> None:
    """Add `chat` to the commands."""
    parser = command(
        commands,
        "chat",
        summary="talk to a model",
        description="Talk to a model of the running server; once with -p or a pipe, else until Ctrl-D.",
        examples=_EXAMPLES,
        notes=_NOTES,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="default: the only one that is loaded, or is there")
    parser.add_argument("--prompt", "-p", metavar="TEXT", help="ask this, print the reply and end")
    parser.add_argument("--system", "-s", metavar="TEXT", help="what the model should be told beforehand")
    parser.add_argument("--max-tokens", type=positive, metavar="N", help="longest reply")
    parser.add_argument("--stats", action="store_true", help="say after each reply what it cost")
    parser.add_argument("--json", action="store_true", help="print the reply as JSON, once it is whole")
    add_address(parser, has_short_port=False)
    parser.set_defaults(command=_chat)


# What the server streams --------------------------------------------------------------------------------


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Event(msgspec.Struct, frozen=True):
    """What we need of a chunk, or of the error that ends a stream."""

    choices: list[_Choice] = []
    usage: Usage | None = None
    error: ErrorObject | None = None


class _Card(msgspec.Struct, frozen=True):
    id: str
    type: str = "llm"
    state: str = ""


class _Cards(msgspec.Struct, frozen=True):
    """What we need of the answer to `GET /v1/models`."""

    data: list[_Card]


class Reply(msgspec.Struct):
    """What has come of a reply."""

    model: str
    content: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    seconds: float = 0.0
    time_to_first_token: float | None = None
    """Seconds."""

    @property
    def tokens_per_second(self) -> float | None:
        """Give the speed of writing, once there are tokens after the first."""
        if self.usage is None or self.time_to_first_token is None:
            return None
        writing = self.seconds - self.time_to_first_token
        return (self.usage.completion_tokens - 1) / writing if writing > 0 else None

    @property
    def stats(self) -> str:
        """Say what it cost, in one line."""
        parts: list[str] = []
        if self.usage:
            parts.append(f"{self.usage.prompt_tokens} → {self.usage.completion_tokens} tokens")
        if self.time_to_first_token is not None:
            parts.append(f"{self.time_to_first_token:.2f} s to the first")
        if self.tokens_per_second:
            parts.append(f"{self.tokens_per_second:.1f} tok/s")
        return ", ".join([*parts, f"stopped by {self.finish_reason or 'Ctrl-C'}"])


Write = Callable[[str], None]


def ask(client: "Client", body: dict[str, Any], reply: Reply, say: Write, think: Write) -> None:
    """Stream one reply into `reply`, telling `say` of its text and `think` of its reasoning as they come.

    Raises:
        ModelError: when the server refuses, or the reply ends with an error.
    """
    started = time.monotonic()
    body = body | {"stream": True, "stream_options": {"include_usage": True}}
    events = client.events("/v1/chat/completions", body)
    try:
        with contextlib.closing(events):
            for event in map(_read, events):
                if event.error is not None:
                    raise ModelError(one_line(event.error.message))
                reply.usage = event.usage or reply.usage
                for choice in event.choices:
                    reply.finish_reason = choice.finish_reason or reply.finish_reason
                    if choice.delta.content or choice.delta.reasoning_content:
                        reply.time_to_first_token = reply.time_to_first_token or time.monotonic() - started
                    if thought := choice.delta.reasoning_content:
                        reply.reasoning += thought
                        think(thought)
                    if text := choice.delta.content:
                        reply.content += text
                        say(text)
    finally:
        reply.seconds = time.monotonic() - started


def _read(data: bytes) -> _Event:
    try:
        return msgspec.json.decode(data, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"The server sent what is no chunk of a reply ({error}).") from error


# The conversation ---------------------------------------------------------------------------------------


def _chat(options: argparse.Namespace) -> int:
    with connected(options) as client:
        model = options.model or _choose(client)
        system = [{"role": "system", "content": options.system}] if options.system else []
        is_single = options.prompt is not None or not sys.stdin.isatty() or options.json
        if is_single:
            prompt = options.prompt if options.prompt is not None else sys.stdin.read().strip()
            if not prompt.strip():
                raise ModelError("There is nothing to ask: the prompt is empty.")
            _once(client, options, model, [*system, {"role": "user", "content": prompt}])
        else:
            _converse(client, options, model, system)
    return SUCCESS


def _choose(client: "Client") -> str:
    """Give the only model that is loaded, or the only one that there is."""
    cards = [card for card in client.get("/v1/models", _Cards).data if card.type in {"llm", "vlm"}]
    for among in ([card for card in cards if card.state == "loaded"], cards):
        if len(among) == 1:
            return among[0].id
    if not cards:
        raise ModelError("The server has no model to talk to. Get one with `lmstudio get`.")
    raise ModelError(f"Say which model: {', '.join(one_line(card.id) for card in cards)}.")


def _body(options: argparse.Namespace, model: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    limit = {"max_tokens": options.max_tokens} if options.max_tokens else {}
    return {"model": model, "messages": messages} | limit


def _once(client: "Client", options: argparse.Namespace, model: str, messages: list[dict[str, str]]) -> None:
    reply = Reply(model)
    body = _body(options, model, messages)
    if options.json:
        ask(client, body, reply, lambda _: None, lambda _: None)
        # ASCII alone: what JSON leaves unescaped could steer a terminal too.
        members = msgspec.to_builtins(reply) | {"tokens_per_second": reply.tokens_per_second}
        print(json.dumps(members, indent=2))
        return
    _show(client, body, reply)
    if options.stats:
        print(reply.stats, file=sys.stderr)


def _show(client: "Client", body: dict[str, Any], reply: Reply) -> None:
    """Ask, and write what comes as it comes; always end with a whole line."""
    screen = _Screen()
    try:
        ask(client, body, reply, screen.say, screen.think)
    finally:
        screen.close()


class _Screen:
    """Writes text to standard output and reasoning, dim, to standard error."""

    def __init__(self) -> None:
        is_plain = not sys.stderr.isatty() or bool(os.environ.get("NO_COLOR"))
        self._dim, self._normal = ("", "") if is_plain else ("\x1b[2m", "\x1b[22m")
        self._thinks = False
        self._last = "\n"

    def say(self, text: str) -> None:
        self._stop_thinking()
        self._last = text
        sys.stdout.write(shown(text))
        sys.stdout.flush()

    def think(self, text: str) -> None:
        if not self._thinks:
            sys.stderr.write(self._dim)
            self._thinks = True
        sys.stderr.write(shown(text))
        sys.stderr.flush()

    def close(self) -> None:
        self._stop_thinking()
        if not self._last.endswith("\n"):
            sys.stdout.write("\n")
            sys.stdout.flush()

    def _stop_thinking(self) -> None:
        if self._thinks:
            sys.stderr.write(f"{self._normal}\n")
            sys.stderr.flush()
            self._thinks = False


def _converse(client: "Client", options: argparse.Namespace, model: str, system: list[dict[str, str]]) -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    print(f"{one_line(model)}: Ctrl-C stops a reply, Ctrl-D ends.", file=sys.stderr)
    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    messages = list(system)
    while True:
        try:
            prompt = session.prompt("› ")
        except KeyboardInterrupt:
            # As in a shell: a fresh line.
            continue
        except EOFError:
            return
        if not prompt.strip():
            continue
        question = {"role": "user", "content": prompt}
        reply = Reply(model)
        try:
            _show(client, _body(options, model, [*messages, question]), reply)
        except KeyboardInterrupt:
            print("(stopped)", file=sys.stderr)
        except ModelError as error:
            print(f"lmstudio: {error}", file=sys.stderr)
            continue
        # What was stopped halfway was still said; where nothing was, the question was not answered.
        if reply.content:
            messages += [question, {"role": "assistant", "content": reply.content}]
        if options.stats:
            print(reply.stats, file=sys.stderr)
