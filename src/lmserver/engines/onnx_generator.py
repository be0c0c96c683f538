"""Runs a folder of ONNX Runtime's generator. Imported in the child process only."""

import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import onnxruntime_genai

from lmserver.engines.onnx_wire import Answer, Done, Embed, Generate, Read, RefusedError, Text
from lmserver.engines.reading import StopFinder
from lmserver.onnx_models import Generator

CHUNK = 256
"""Tokens of the prompt that are read at once: a cancel takes effect between two."""
SMALLEST = 2048
"""Tokens that a sequence has room for at least; more is had by doubling, since the room costs memory at once."""

Send = Callable[[Answer], None]


class _Sequence:
    """A sequence of tokens with its attention cache, and what it was made for."""

    def __init__(self, generator: Any, options: dict[str, Any], room: int) -> None:
        self.generator = generator
        self.options = options
        self.room = room


class GeneratorModel:
    """A loaded generator. It keeps the last sequence: a conversation that goes on is read from where it ended."""

    def __init__(self, folder: Generator, context_length: int, threads: int) -> None:
        # The extension has no types.
        self._runtime: Any = onnxruntime_genai
        self._runtime.disable_telemetry_events()
        config = self._runtime.Config(folder.folder)
        # The processor only: providers are chosen by name and load libraries.
        config.clear_providers()
        options = {"session_options": {"intra_op_num_threads": threads}}
        config.overlay(json.dumps({"model": {"decoder": options}}))
        self._model = self._runtime.Model(config)
        self._tokenizer = self._runtime.Tokenizer(self._model)
        self._ends = frozenset(int(token) for token in self._tokenizer.eos_token_ids)
        self._vocabulary = folder.vocabulary
        self._context_length = context_length
        self._last: _Sequence | None = None

    def answer(self, ask: Embed | Generate, is_wanted: Callable[[], bool], send: Send) -> None:
        """Generate what is asked. Raises `RefusedError`."""
        if isinstance(ask, Embed):
            raise RefusedError("This model cannot embed.", "value", "model")
        tokens = self._tokens(ask)
        if len(tokens) >= self._context_length:
            raise RefusedError(
                f"The prompt has {len(tokens)} tokens, and the context has room for {self._context_length}.",
                "context",
                "messages" if ask.messages else "prompt",
            )
        budget = min(ask.max_tokens, self._context_length - len(tokens))
        sequence, cached = self._sequence(ask, tokens, budget)
        # Whatever breaks off the work leaves a sequence of which nobody knows how far it is.
        self._last = None
        if not self._read(ask.id, sequence.generator, tokens, cached, is_wanted, send):
            self._last = sequence
            return
        reason, written = self._write(ask, sequence.generator, budget, is_wanted, send)
        if not ask.grammar:
            self._last = sequence
        send(
            Done(
                id=ask.id,
                reason=reason,
                prompt_tokens=len(tokens),
                cached_tokens=cached,
                completion_tokens=written,
            )
        )

    def _tokens(self, ask: Generate) -> list[int]:
        if isinstance(ask.prompt, list):
            if any(not 0 <= token < self._vocabulary for token in ask.prompt):
                raise RefusedError("It holds a token id that is not in the model's vocabulary.", "value", "prompt")
            tokens = ask.prompt
        else:
            tokens = [int(token) for token in self._tokenizer.encode(self._prompt(ask))]
        if not tokens:
            raise RefusedError("There is nothing to go on from: the prompt has no tokens.", "value", "prompt")
        return tokens

    def _prompt(self, ask: Generate) -> str:
        if not ask.messages:
            assert isinstance(ask.prompt, str)
            return ask.prompt
        tools = json.dumps(ask.tools) if ask.tools else None
        messages = json.dumps(ask.messages)
        try:
            rendered = self._tokenizer.apply_chat_template(messages, template_str=ask.template, tools=tools)
        except Exception as error:
            # What the template raises; the lines after the first quote the template.
            reason = str(error).partition(" at row ")[0]
            raise RefusedError(f"The model's chat template refuses this: {reason}.", "value", "messages") from error
        return rendered + ask.opening

    def _sequence(self, ask: Generate, tokens: list[int], budget: int) -> tuple[_Sequence, int]:
        """Give a sequence for the request, and how many tokens of the prompt it holds already."""
        options = _options(ask)
        last = self._last
        # The options are fixed when a sequence is made, and a seed counts from its beginning.
        if last and not ask.grammar and last.options == options and "random_seed" not in options:
            held = last.generator.get_sequence(0)
            # The last token was picked and not read yet; and one of the prompt has to be read to go on.
            most = min(len(held), len(tokens)) - 1
            same = next((at for at in range(most) if held[at] != tokens[at]), most)
            if same > 0 and len(tokens) + budget <= last.room:
                last.generator.rewind_to(same)
                return last, same
        # Two at once would need twice the memory.
        self._last = last = None
        room = SMALLEST
        while room < len(tokens) + budget:
            room *= 2
        room = min(room, self._context_length)
        parameters = self._runtime.GeneratorParams(self._model)
        parameters.set_search_options(max_length=room, **options)
        if ask.grammar:
            parameters.set_guidance("lark_grammar", ask.grammar)
        return _Sequence(self._runtime.Generator(self._model, parameters), options, room), 0

    def _read(
        self, number: int, generator: Any, tokens: list[int], cached: int, is_wanted: Callable[[], bool], send: Send
    ) -> bool:
        """Read the prompt; tell whether all of it was."""
        for begin in range(cached, len(tokens), CHUNK):
            if not is_wanted():
                return False
            send(Read(number, len(tokens), cached, begin))
            generator.append_tokens(np.asarray(tokens[begin : begin + CHUNK], np.int32))
        send(Read(number, len(tokens), cached, len(tokens)))
        return True

    def _write(
        self, ask: Generate, generator: Any, budget: int, is_wanted: Callable[[], bool], send: Send
    ) -> tuple[Literal["stop", "length"], int]:
        """Generate until the model ends, a stop text comes, the budget is spent or nobody waits any more."""
        stream = self._tokenizer.create_stream()
        finder = StopFinder(ask.sampling.stop)
        written = 0
        is_ended = False
        while is_wanted() and not is_ended and written < budget:
            generator.generate_next_token()
            written += 1
            token = int(generator.get_next_tokens()[0])
            self._send_text(ask.id, finder.feed(stream.decode(token)), send)
            # A sequence that is full is done as well, but has not come to its end.
            is_ended = finder.is_found or token in self._ends or (generator.is_done() and written < budget)
        self._send_text(ask.id, finder.rest(), send)
        return "stop" if is_ended else "length", written

    def _send_text(self, number: int, text: str, send: Send) -> None:
        if text:
            send(Text(number, text))


def _options(ask: Generate) -> dict[str, Any]:
    sampling = ask.sampling
    options: dict[str, Any] = {}
    if sampling.temperature == 0:
        return {"do_sample": False} | _repetition(ask)
    if sampling.temperature is not None or sampling.top_p is not None or sampling.top_k is not None:
        options["do_sample"] = True
    if sampling.temperature is not None:
        options["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        options["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        options["top_k"] = sampling.top_k
    if sampling.seed is not None:
        options["random_seed"] = sampling.seed % (1 << 31)
    return options | _repetition(ask)


def _repetition(ask: Generate) -> dict[str, float]:
    penalty = ask.sampling.repeat_penalty
    return {} if penalty is None else {"repetition_penalty": penalty}
