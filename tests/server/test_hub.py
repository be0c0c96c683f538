import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmserver.catalog import Catalog, Model
from tests.server.ggufmaker import model, number, put
from tests.support.hub import Hub
from tests.support.processes import BIN, clean_environment, run

REPO = "Lab/Tiny-1B-GGUF"
Q8_0, Q4_K_M = 7, 15
Q4 = model(file_type=Q4_K_M) + bytes(range(256)) * 4096
Q8 = model(file_type=Q8_0) + bytes(range(256)) * 8192
PARTS = [model(number("split.no", n), number("split.count", 2), file_type=Q8_0) + bytes(1 << n) for n in range(2)]


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {
        "Tiny-1B-Q4_K_M.gguf": Q4,
        "Tiny-1B-Q8_0.gguf": Q8,
        "mmproj-Tiny-F16.gguf": b"not a model",
        "F16/Tiny-1B-F16-00001-of-00002.gguf": PARTS[0],
        "F16/Tiny-1B-F16-00002-of-00002.gguf": PARTS[1],
        "Tiny-1B-Q2_K-00001-of-00002.gguf": b"its other part is missing",
    }
    with Hub(REPO, files) as running:
        yield running


def get(
    home: Path, hub: Hub, *arguments: str, limit: int | None = None, **extra: str
) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(home, {"HF_ENDPOINT": hub.url} | extra)
    if limit is None:
        return run(["lmstudio", "get", *arguments], environment)
    # A disk that takes files of so many KiB and no larger.
    command = ["bash", "-c", f'trap "" XFSZ; ulimit -f {limit}; exec "$@"', "-", str(BIN / "lmstudio"), "get"]
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)


def files_in(home: Path) -> list[str]:
    root = home / "models"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_the_quantisation_that_fits_is_had_and_listed(home: Path, hub: Hub) -> None:
    ended = get(home, hub, REPO)
    assert ended.returncode == 0, ended.stderr
    # A small model has room for more bits.
    assert "Tiny-1B-Q8_0.gguf" in ended.stderr and "available memory" in ended.stderr
    assert (home / "models" / REPO / "Tiny-1B-Q8_0.gguf").read_bytes() == Q8
    assert files_in(home) == [f"{REPO}/Tiny-1B-Q8_0.gguf"]
    assert [entry.id for entry in Catalog(home / "models").scan() if isinstance(entry, Model)] == ["tiny-1b"]


@pytest.mark.parametrize(
    "wanted", [f"{REPO}@q4_k_m", f"{REPO}@Tiny-1B-Q4_K_M.gguf", "{hub}/" + REPO + "/blob/main/Tiny-1B-Q4_K_M.gguf"]
)
def test_a_quantisation_is_had_by_its_name_and_its_address(home: Path, hub: Hub, wanted: str) -> None:
    ended = get(home, hub, wanted.format(hub=hub.url))
    assert ended.returncode == 0, ended.stderr
    assert files_in(home) == [f"{REPO}/Tiny-1B-Q4_K_M.gguf"]


def test_one_that_is_there_is_not_had_again(home: Path, hub: Hub) -> None:
    put(home / "models" / REPO / "Tiny-1B-Q4_K_M.gguf", Q4)
    assert get(home, hub, f"{REPO}@q4_k_m").returncode == 0
    assert hub.ranges == []


def test_a_dry_run_says_what_and_why_and_gets_nothing(home: Path, hub: Hub) -> None:
    ended = get(home, hub, REPO, "--dry-run")
    assert ended.returncode == 0 and "Tiny-1B-Q8_0.gguf, 2.1 MB" in ended.stdout
    assert hub.ranges == [] and not (home / "models").exists()


def test_all_parts_of_a_split_model_are_had(home: Path, hub: Hub) -> None:
    ended = get(home, hub, f"{REPO}@f16")
    assert ended.returncode == 0, ended.stderr
    assert files_in(home) == [f"{REPO}/Tiny-1B-F16-0000{n}-of-00002.gguf" for n in (1, 2)]


def test_what_is_not_there_is_said_with_what_is(home: Path, hub: Hub) -> None:
    ended = get(home, hub, f"{REPO}@q2_k")
    assert ended.returncode == 1
    assert f"{REPO} holds no q2_k. There are: F16, Q4_K_M, Q8_0." in ended.stderr


def test_a_cut_connection_is_taken_up_where_it_broke(home: Path, hub: Hub) -> None:
    hub.cuts = [400_000]
    assert get(home, hub, f"{REPO}@q4_k_m").returncode == 0
    assert hub.ranges == [None, "bytes=400000-"]
    assert (home / "models" / REPO / "Tiny-1B-Q4_K_M.gguf").read_bytes() == Q4


def test_a_later_run_goes_on_where_an_earlier_one_ended(home: Path, hub: Hub) -> None:
    full = get(home, hub, f"{REPO}@q4_k_m", limit=300)
    assert full.returncode == 1 and "There is no room to write" in full.stderr and "Traceback" not in full.stderr
    assert [name.partition("/")[0] for name in files_in(home)] == [".downloads"]
    assert Catalog(home / "models").scan() == []

    assert get(home, hub, f"{REPO}@q4_k_m").returncode == 0
    assert hub.ranges == [None, f"bytes={300 * 1024}-"]
    assert files_in(home) == [f"{REPO}/Tiny-1B-Q4_K_M.gguf"]


def test_a_file_with_another_digest_is_refused_and_not_kept(home: Path, hub: Hub) -> None:
    hub.digests["Tiny-1B-Q4_K_M.gguf"] = "0" * 64
    ended = get(home, hub, f"{REPO}@q4_k_m")
    assert ended.returncode == 1 and "its digest differs" in ended.stderr
    assert [(home / "models" / name).stat().st_size for name in files_in(home)] == [0]


def test_a_file_that_is_no_model_does_not_count(home: Path, hub: Hub) -> None:
    with Hub(REPO, {"Tiny-Q8_0.gguf": b"<html>hello</html>"}) as other:
        ended = get(home, other, REPO)
    assert ended.returncode == 1 and "is not a usable model: not a GGUF file" in ended.stderr
    assert files_in(home) == []


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ((404, "RepoNotFound"), "There is no repository Lab/Tiny-1B-GGUF at "),
        ((401, "RepoNotFound"), "HF_TOKEN is not set"),
        ((401, "GatedRepo"), "is gated: accept its terms at"),
        ((404, "RevisionNotFound"), "has no such revision or file"),
        ((500, ""), "answered 500"),
    ],
)
def test_a_hub_that_refuses_is_said_in_a_sentence(home: Path, hub: Hub, refusal: tuple[int, str], said: str) -> None:
    hub.refusal = refusal
    ended = get(home, hub, REPO)
    assert ended.returncode == 1 and ended.stdout == ""
    assert said in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_a_file_that_may_not_be_read_is_said_with_the_token(home: Path, hub: Hub) -> None:
    hub.content_refusal = 403
    ended = get(home, hub, f"{REPO}@q4_k_m")
    assert ended.returncode == 1 and "answered 403. Set HF_TOKEN" in ended.stderr


def test_the_token_goes_to_the_hub_and_to_no_other_host(home: Path, hub: Hub) -> None:
    assert get(home, hub, f"{REPO}@q4_k_m", HF_TOKEN="hf_secret").returncode == 0
    assert hub.tokens == {"hub": {"Bearer hf_secret"}, "store": {None}}


def test_offline_means_that_the_hub_is_not_asked(home: Path, hub: Hub) -> None:
    ended = get(home, hub, REPO, HF_HUB_OFFLINE="1")
    assert ended.returncode == 1 and "HF_HUB_OFFLINE is set" in ended.stderr
    assert hub.tokens == {"hub": set(), "store": set()}


def test_a_hub_that_does_not_answer_is_said(home: Path, hub: Hub) -> None:
    with Hub(REPO, {}) as gone:
        pass
    ended = get(home, gone, REPO)
    assert ended.returncode == 1 and f"Could not reach the hub at {gone.url}" in ended.stderr


def test_a_repository_without_models_is_said(home: Path) -> None:
    with Hub(REPO, {}) as empty:
        ended = get(home, empty, REPO)
    assert ended.returncode == 1 and "holds no GGUF file" in ended.stderr


def test_a_plain_url_is_had_and_taken_up(home: Path, hub: Hub) -> None:
    # The first answer is the look at the headers.
    hub.cuts = [1000, 400_000]
    ended = get(home, hub, f"{hub.store}/Tiny-1B-Q4_K_M.gguf")
    assert ended.returncode == 0, ended.stderr
    assert files_in(home) == ["imported-models/Tiny-1B/Tiny-1B-Q4_K_M.gguf"]
    assert hub.ranges == [None, None, "bytes=400000-"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/x.gguf", "is not encrypted"),
        ("https://example.org/x.zip", "nor the address of a .gguf file"),
        ("https:///x.gguf", "is not a URL"),
        ("https://[x/x.gguf", "is not a URL"),
        ("https://example.org/%2e%2e.gguf", "cannot be a name"),
        ("smollm", "Did you mean smollm2-"),
        ("smollm2-135m-instruct@q8_0", "comes in one quantisation only"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_asked(home: Path, url: str, said: str) -> None:
    ended = run(["lmstudio", "get", url], clean_environment(home))
    assert ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr
