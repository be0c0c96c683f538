"""The official client over a transport that checks every exchange at the end of each test."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.conformance.strict import Recorder
from tests.conftest import MODEL
from tests.support.processes import RunningServer


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.check()


@pytest.fixture
def client(real_server: RunningServer, recorder: Recorder) -> Iterator[openai.OpenAI]:
    over = httpx2.Client(transport=recorder, timeout=60)
    with openai.OpenAI(base_url=real_server.url, api_key="none", max_retries=0, http_client=over) as client:
        yield client


@pytest.fixture
def embedder(other_server: RunningServer, recorder: Recorder) -> Iterator[openai.OpenAI]:
    over = httpx2.Client(transport=recorder, timeout=60)
    with openai.OpenAI(base_url=other_server.url, api_key="none", max_retries=0, http_client=over) as client:
        yield client


@pytest.fixture(scope="session")
def vocabulary(models: Path) -> dict[str, int]:
    """The chat model's tokens as text, read from its file."""
    return _vocabulary(next(models.glob("*/*/SmolLM2*.gguf")))


@functools.cache
def _vocabulary(path: Path) -> dict[str, int]:
    import gguf

    tokens = gguf.GGUFReader(path).get_field("tokenizer.ggml.tokens")
    assert tokens is not None
    # The file writes a space as Ġ and a line feed as Ċ (the byte alphabet of GPT-2).
    return {
        bytes(tokens.parts[at]).decode().replace("Ġ", " ").replace("Ċ", "\n"): index
        for index, at in enumerate(tokens.data)
    }


def ask(text: str = "Say hello.") -> Any:
    """Give one message of the user's."""
    return [{"role": "user", "content": text}]


GREEDY: Any = {"model": MODEL, "temperature": 0, "seed": 1}
"""What makes a reply repeatable."""
