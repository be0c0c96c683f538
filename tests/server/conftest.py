"""What the tests of the server share: models that embed, ONNX models, and a real server that serves them."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.support.onnx_models import ENCODER, GENERATOR, MODELS, WHEEL
from tests.support.processes import RunningServer, clean_environment, running_server


@pytest.fixture(scope="session")
def other_models() -> Path:
    needed = [ENCODER / "model.onnx", GENERATOR / "model.onnx", WHEEL, *MODELS.glob("sentence-transformers/*")]
    if len(needed) < 4 or not all(path.exists() for path in needed):
        pytest.fail(f"Some models are not in {MODELS}. `scripts/test` gets them before the tests.")
    return MODELS


@pytest.fixture(scope="session")
def other_server(other_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(other_models)})
    with running_server(environment, home / "server.log") as server:
        yield server


@pytest.fixture
def other_client(other_server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=other_server.url, api_key="none", max_retries=0, timeout=60) as client:
        yield client
