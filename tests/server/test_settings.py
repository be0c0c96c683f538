"""The operator's settings file."""

import asyncio
import os
from pathlib import Path

import pytest

from lmserver.catalog import Catalog, Model
from lmserver.errors import ApiError
from lmserver.loading import LoadPlan, load
from lmserver.service import Service, ServiceSettings
from lmserver.settings import ModelSettings, ServerSettings, Settings, SettingsError, SettingsFile, read
from tests.server.ggufmaker import model, put


def write(path: Path, text: str) -> Path:
    return put(path / "server.toml", text.encode())


def test_a_file_says_how_the_server_and_its_models_run(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [server]
        keep = 3
        ttl = 60
        queue = 5
        cors = ["http://localhost:3000"]
        [defaults]
        parallel = 2
        [models."lmstudio-community/Qwen2.5-7B-Instruct"]
        context_length = 4096
        gpu_layers = -1
        chat_template = "qwen.jinja"
        draft_model = "qwen2.5-0.5b-instruct"
        """,
    )
    assert read(path) == Settings(
        server=ServerSettings(keep=3, ttl=60, queue=5, cors=("http://localhost:3000",)),
        defaults=ModelSettings(parallel=2),
        models={
            "lmstudio-community/qwen2.5-7b-instruct": ModelSettings(
                context_length=4096, gpu_layers=-1, chat_template="qwen.jinja", draft_model="qwen2.5-0.5b-instruct"
            )
        },
    )


def test_without_a_file_everything_is_as_the_server_has_it(tmp_path: Path) -> None:
    assert read(tmp_path / "none/server.toml") == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sever]", "sever is not known. Did you mean server?"),
        ("[server]\nkeeep = 1", "server.keeep is not known. Did you mean keep?"),
        ("[defaults]\ncontext-length = 1", "defaults.context-length is not known. Did you mean context_length?"),
        ("[models.x]\nzzz = 1", 'models."x".zzz is not known. The names here are: context_length'),
        ("[models.x]\nparallel = '4'", 'models."x".parallel: expected `int | null`, got `str`'),
        ("[models.x]\nparallel = 0", 'models."x".parallel: expected `int` >= 1'),
        ("[models]\nx = 3", 'models."x": expected `object`, got `int`'),
        ("models = 3", "models: expected `object`, got `int`"),
        ("[server]\ncors = ['a', 3]", "server.cors[1]: expected `str`"),
        ("[server", "is not valid TOML"),
        ("a = " + "[" * 100_000, "is not valid TOML"),
        ("#" * (1 << 20) + "#", "larger than 1 MiB"),
    ],
    ids=range(12),
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read(path)
    assert str(path) in str(caught.value) and expected in str(caught.value)


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "[defaults]\nparallel = 1")
    file = SettingsFile(path)
    path.write_text("[defaults]\nparallel = 22")
    assert file.current().defaults.parallel == 22
    path.write_text("[defaults]\nparallel = 'many'")
    assert file.current().defaults.parallel == 22
    path.unlink()
    assert file.current() == Settings()


def one_model(root: Path) -> Model:
    put(root / "Lab/Tiny-GGUF/x.gguf", model())
    [found] = Catalog(root).scan()
    assert isinstance(found, Model)
    return found


def test_the_narrower_setting_wins(tmp_path: Path) -> None:
    tiny = one_model(tmp_path)
    path = write(
        tmp_path,
        """
        [defaults]
        context_length = 1000
        parallel = 1
        threads = 1
        batch = 16
        [models."Lab/TINY"]
        parallel = 3
        batch = 32
        """,
    )
    service = Service(
        ServiceSettings(models=tmp_path, state=tmp_path, context_length=2000, parallel=2, file=SettingsFile(path))
    )
    assert service.model_settings(tiny, ModelSettings(batch=64)) == ModelSettings(
        context_length=2000, parallel=3, threads=1, batch=64
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ModelSettings(chat_template="none.jinja"), "none.jinja, its chat_template, is not a file"),
        (ModelSettings(draft_model="none"), "its draft_model 'none' is neither a model here nor a file"),
    ],
    ids=["template", "draft"],
)
def test_a_setting_that_points_nowhere_fails_the_load_and_is_named(
    tmp_path: Path, settings: ModelSettings, expected: str
) -> None:
    plan = LoadPlan(
        model=one_model(tmp_path),
        root=tmp_path,
        settings=settings,
        threads=1,
        folder=tmp_path,
        find=lambda name: None,
    )
    with pytest.raises(ApiError, match=expected):
        asyncio.run(load(plan, 1 << 40))


def test_a_file_whose_time_alone_changed_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nkeep = 1")
    file = SettingsFile(path)
    path.write_text("[server]\nkeep = 9")
    os.utime(path, (1, 1))
    assert file.current().server.keep == 9
