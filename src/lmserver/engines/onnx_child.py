"""The child process that holds one ONNX model; `onnx_wire` says how it is spoken to.

It lives until standard input closes, so that it never outlives its parent. A separate process for the same reasons
as llama.cpp's: a bad file, an abort or an out-of-memory kill must end one model and not the server.
"""

import functools
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import IO, Protocol

import msgspec

from lmserver.engines.onnx_wire import (
    Answer,
    Ask,
    Cancel,
    Embed,
    Generate,
    Ready,
    Refused,
    RefusedError,
    Settings,
)
from lmserver.onnx_models import Encoder, Generator


class _Asks:
    """What is asked, read by a thread of its own, so that a cancel is seen while the model computes."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._waiting: queue.SimpleQueue[Embed | Generate] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def read(self) -> None:
        decode = msgspec.json.Decoder(Ask).decode
        for line in self._source:
            ask = decode(line)
            if isinstance(ask, Cancel):
                self._cancelled.add(ask.id)
            else:
                self._waiting.put(ask)
        # The parent went, or decided that the model ends.
        os._exit(0)

    def next(self) -> Embed | Generate:
        return self._waiting.get()

    def is_wanted(self, number: int) -> bool:
        return number not in self._cancelled


Send = Callable[[Ready | Answer], None]


class _Model(Protocol):
    def answer(self, ask: Embed | Generate, is_wanted: Callable[[], bool], send: Send) -> None: ...


def main() -> None:
    """Serve until the parent goes."""
    # The libraries may print, and what they print is no answer.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    encode = msgspec.json.Encoder().encode

    def send(answer: Ready | Answer) -> None:
        answers.write(encode(answer) + b"\n")

    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    try:
        model = _load(settings)
    except Exception as error:
        send(Ready(_one_line(error)))
        os._exit(1)
    send(Ready())
    asks = _Asks(sys.stdin.buffer)
    threading.Thread(target=asks.read, daemon=True).start()
    while True:
        ask = asks.next()
        if not asks.is_wanted(ask.id):
            continue
        try:
            model.answer(ask, functools.partial(asks.is_wanted, ask.id), send)
        except RefusedError as error:
            send(Refused(id=ask.id, message=str(error), param=error.param, cause=error.cause))
        except Exception as error:
            send(Refused(id=ask.id, message=_one_line(error), cause="engine"))


def _load(settings: Settings) -> _Model:
    os.environ["RAYON_NUM_THREADS"] = str(settings.threads)
    match settings.pipeline:
        case Encoder():
            from lmserver.engines.onnx_encoder import EncoderModel

            return EncoderModel(settings.pipeline, settings.context_length, settings.threads)
        case Generator():
            from lmserver.engines.onnx_generator import GeneratorModel

            return GeneratorModel(settings.pipeline, settings.context_length, settings.threads)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


if __name__ == "__main__":
    main()
