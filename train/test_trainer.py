"""The trainer, with PyTorch: `python -m pytest train`. The gate has no PyTorch and does not run these.

Each takes the real base from `.cache/models`; together they take some three minutes on two cores.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import gguf
import httpx2
import numpy as np
import pytest
import torch

from tests.conftest import MODELS
from tests.support.processes import REPOSITORY, clean_environment, running_server
from train.fit import LOG, Plan, fit
from train.format import OPENING, TURN, system_prompt
from train.model import Projection, Student, as_q4_0
from train.tokens import Tokens
from vtcode.compact import CompactProfile
from vtcode.messages import UserMessage
from vtcode.providers import Request
from vtcode.situation import Situation

SHIPPED = REPOSITORY / "src" / "lmserver" / "data" / "smollm2-135m-instruct.vtcode.lora.gguf"
QUESTION = "What is the port in app.toml?"


@pytest.fixture(scope="module")
def base() -> Path:
    return next(MODELS.glob("*/*/SmolLM2*.gguf"))


def test_weights_are_rounded_as_the_server_rounds_them() -> None:
    weights = torch.randn(64, 128, generator=torch.Generator().manual_seed(1))
    weights[3] = 0
    kind = gguf.GGMLQuantizationType.Q4_0
    served = gguf.dequantize(gguf.quantize(weights.numpy(), kind), kind)
    assert np.array_equal(as_q4_0(weights).numpy(), served)


def test_the_gradients_of_merged_weights_are_those_of_adapters_beside_them() -> None:
    torch.manual_seed(2)
    weights = [torch.randn(8, 12), torch.randn(4, 12)]
    projection = Projection(weights, 2, torch.float32, is_rounded=False)
    for up in projection.up:
        torch.nn.init.normal_(up)
    projection.merge()
    x = torch.randn(3, 5, 12, requires_grad=True)
    (projection(x) ** 2).sum().backward()
    merged = [x.grad, projection.down.grad, *(up.grad for up in projection.up)]
    projection.zero_grad()
    x.grad = None
    downs = projection.down.split(2)
    parts = zip(weights, projection.up, downs, strict=True)
    beside = torch.cat([x @ weight.T + x @ down.T @ up.T for weight, up, down in parts], -1)
    (beside**2).sum().backward()
    for one, other in zip(merged, [x.grad, projection.down.grad, *(up.grad for up in projection.up)], strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_adapted", [False, True], ids=["base", "adapter"])
def test_the_student_finds_likely_what_the_server_does(base: Path, tmp_path: Path, is_adapted: bool) -> None:
    environment = clean_environment(tmp_path, {"LMSTUDIO_MODELS_DIR": str(MODELS)})
    with running_server(environment, tmp_path / "server.log", *([] if is_adapted else ["--no-adapter"])) as server:
        situation = Situation(messages=(UserMessage(QUESTION),), step=1)
        request = CompactProfile((), is_narrow=True).request(Request(model="", system="", messages=()), situation)
        system = system_prompt().removeprefix("<|im_start|>system\n").removesuffix("<|im_end|>\n")
        asked = {
            "model": "smollm2-135m-instruct",
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": request.messages[0].text},
            ],
            "max_tokens": 12,
            "temperature": 0,
            "logprobs": True,
        }
        answer = httpx2.post(f"{server.url}/chat/completions", json=asked, timeout=60).json()["choices"][0]
    found = [each["logprob"] for each in answer["logprobs"]["content"]]
    student = Student(base, rank=16, dtype=torch.float32)
    if is_adapted:
        learned = {tensor.name: tensor.data for tensor in gguf.GGUFReader(SHIPPED).tensors}
        for name, down, up in student.adapter():
            down.copy_(torch.from_numpy(learned[f"{name}.lora_a"].copy()))
            up.copy_(torch.from_numpy(learned[f"{name}.lora_b"].copy()))
    else:
        # What is merged is rounded anew; the base alone is served as it is.
        for part in student.modules():
            if isinstance(part, Projection):
                part.is_rounded = False
    tokens = Tokens(base)
    shown = tokens.ids(TURN.format(role="user", text=QUESTION) + OPENING)
    written = tokens.ids(answer["message"]["content"])[: len(found)]
    ids = torch.tensor([[*shown, *written]])
    is_learned = torch.tensor([[False] * len(shown) + [True] * len(written)])
    with torch.no_grad():
        loss, count = student.loss(torch.tensor(tokens.instructions(())), ids, is_learned)
    assert count >= 8
    assert float(loss) / count == pytest.approx(-sum(found[:count]) / count, abs=0.03)


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(base: Path, tmp_path: Path) -> None:
    plan = Plan(samples=24, seed=3, batch=600)
    whole: list[float] = []
    fit(base, tmp_path / "whole", plan, lambda progress: whole.append(progress.loss), most=4)
    program = (
        "import sys; from pathlib import Path; from train import fit\n"
        "plan = fit.Plan(samples=24, seed=3, batch=600)\n"
        "fit.fit(Path(sys.argv[1]), Path(sys.argv[2]), plan, print, most=4, saved_every=0)\n"
    )
    log = tmp_path / "cut" / LOG
    process = subprocess.Popen([sys.executable, "-c", program, str(base), str(log.parent)], cwd=REPOSITORY)
    until = time.monotonic() + 100
    while not (log.exists() and log.read_text().count("\n") >= 2) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cut: list[float] = []
    fit(base, log.parent, plan, lambda progress: cut.append(progress.loss), most=4)
    assert 1 <= len(cut) < 4
    assert cut == pytest.approx(whole[-len(cut) :], rel=1e-3)
    assert log.read_text().count("\n") == 4
