import pytest

from lmserver.errors import ModelError
from lmserver.fitting import Variant, choose, estimated

GB = 10**9
LLAMA_8B = [
    Variant("Q8_0", int(8.54 * GB)),
    Variant("Q6_K", int(6.6 * GB)),
    Variant("Q5_K_M", int(5.73 * GB)),
    Variant("Q4_K_M", int(4.92 * GB)),
    Variant("Q3_K_M", int(4.02 * GB)),
    Variant("Q2_K", int(3.18 * GB)),
]


@pytest.mark.parametrize(("available", "expected"), [(64, "Q4_K_M"), (16, "Q4_K_M"), (6, "Q3_K_M"), (5, "Q2_K")])
def test_a_large_model_comes_as_q4_k_m_or_as_what_still_fits(available: int, expected: str) -> None:
    assert choose(LLAMA_8B, available * GB).variant.quantization == expected


def test_the_reason_names_what_it_takes_and_the_next_better() -> None:
    reason = choose(LLAMA_8B, 16 * GB).reason
    assert reason == "Q4_K_M: about 6.21 GB of 16 GB available memory; the next better, Q5_K_M, would need 7.03 GB"


@pytest.mark.parametrize(("available", "expected"), [(64, "Q8_0"), (5, "Q6_K"), (3, "Q4_K_M")])
def test_a_small_model_gets_more_bits_where_they_take_little(available: int, expected: str) -> None:
    assert choose(estimated(1.24 * GB), available * GB).variant.quantization == expected


def test_nothing_that_fits_is_said_with_what_the_smallest_needs() -> None:
    with pytest.raises(ModelError, match=r"has 2 GB .* even the smallest .*, Q2_K, needs about 4\.46 GB.*@Q2_K\."):
        choose(LLAMA_8B, 2 * GB)


def test_a_repository_of_other_kinds_gives_what_comes_nearest() -> None:
    assert choose([Variant("F16", 16 * GB), Variant("Q8_0", 8 * GB)], 64 * GB).variant.quantization == "Q8_0"
    assert choose([Variant("", 9 * GB), Variant("F16", 16 * GB)], 64 * GB).variant.quantization == ""
