"""What the tests share: models on disk, and real servers that serve them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from hypothesis import settings

from tests.support.onnx_models import ENCODER, GENERATOR, WHEEL
from tests.support.onnx_models import MODELS as OTHER_MODELS
from tests.support.processes import REPOSITORY, RunningServer, clean_environment, running_server

# The gate decides the same twice; `HYPOTHESIS_PROFILE=explore` looks for what it has not seen.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

MODELS = REPOSITORY / ".cache" / "models"
MODEL = "smollm2-135m-instruct"


@pytest.fixture(scope="session")
def models() -> Path:
    if not list(MODELS.glob("*/*/*.gguf")):
        pytest.fail(f"The default model is not in {MODELS}. `scripts/test` gets it before the tests.")
    return MODELS


@pytest.fixture(scope="session")
def real_server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, home / "server.log") as server:
        yield server


@pytest.fixture
def client(real_server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=real_server.url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def other_models() -> Path:
    needed = [ENCODER / "model.onnx", GENERATOR / "model.onnx", WHEEL, *OTHER_MODELS.glob("sentence-transformers/*")]
    if len(needed) < 4 or not all(path.exists() for path in needed):
        pytest.fail(f"Some models are not in {OTHER_MODELS}. `scripts/test` gets them before the tests.")
    return OTHER_MODELS


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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def script(tmp_path: Path) -> "Script":
    return Script(tmp_path / "scripted.json")


class Script:
    """A script for the scripted model, which is then served as `scripted`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, *replies: dict[str, object]) -> Path:
        self.path.write_text(json.dumps(replies))
        return self.path
