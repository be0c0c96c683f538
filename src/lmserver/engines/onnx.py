"""One ONNX model as an engine: embeddings over ONNX Runtime, chat over its generator, both in a child process."""

import contextlib
import importlib.util
from collections.abc import AsyncGenerator
from pathlib import Path

from lmserver.engines import CompletionRequest, Embedded, GenerationRequest, Piece
from lmserver.engines.llama_embedding import Inputs, portions
from lmserver.engines.onnx_process import OnnxProcess
from lmserver.engines.onnx_wire import Embed, Settings, Vectors
from lmserver.errors import ApiError, BadModelFile, cannot
from lmserver.onnx_models import Encoder, OnnxModel, Pipeline, read_folder
from lmwire.errors import ErrorCode

NEEDED = ("onnxruntime", "onnxruntime_genai", "tokenizers")
"""What the extra `onnx` brings."""


class OnnxEngine:
    """A loaded ONNX model; made by `load`."""

    def __init__(self, child: OnnxProcess, pipeline: Pipeline, context_length: int) -> None:
        self._child = child
        self._pipeline = pipeline
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
            model: OnnxModel = read_folder(folder)
        except BadModelFile as error:
            raise _not_loaded(f"Could not load {folder.name}: {error}.") from error
        settings = Settings(pipeline=model.pipeline, context_length=context_length, threads=threads)
        return cls(await OnnxProcess.start(settings, folder.name), model.pipeline, context_length)

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

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        raise cannot("chat")
        yield

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        raise cannot("complete text")
        yield

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


def _code(error: ApiError) -> ErrorCode:
    return ErrorCode(error.body.code or ErrorCode.INVALID_VALUE)


def _not_loaded(message: str) -> ApiError:
    return ApiError(500, message, code=ErrorCode.MODEL_LOAD_FAILED, param="model")
