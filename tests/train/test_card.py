"""The card beside the adapter is that adapter's, and tells what was measured."""

import msgspec

from lmserver.adapters import BASE_SHA256, shipped
from tests.support.processes import REPOSITORY
from train.card import card
from train.evaluate import Scores

RESULTS = REPOSITORY / "train" / "results.json"


def test_the_card_is_of_the_adapter_beside_it() -> None:
    adapter = shipped()
    assert adapter is not None
    rows = msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Scores])
    written = adapter.with_suffix("").with_suffix(".md").read_text()
    assert written == card(adapter, rows), "write it anew: docs/training.md"
    assert BASE_SHA256 in written
