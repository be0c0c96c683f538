"""Raw replies, taken apart the same however they come."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmserver.engines import ReasoningPiece
from lmserver.engines.split import Answer, Splitter, Thinking

CALL = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
CASES: list[tuple[Thinking, Answer, str, tuple[str, str, str]]] = [
    ("none", "text", '{"a": 1}', ("", '{"a": 1}', "")),
    ("none", "text", "<think>x</think>", ("", "<think>x</think>", "")),
    ("open", "text", 'a < b\n</think>\n\n{"a": 1}', ("a < b\n", '{"a": 1}', "")),
    ("open", "text", "never ends </thi", ("never ends </thi", "", "")),
    ("possible", "text", '<think>\n{"no": </think>{"a": 1}', ('{"no": ', '{"a": 1}', "")),
    ("possible", "text", '"<think>"', ("", '"<think>"', "")),
    ("possible", "either", f"<think>x</think>\n{CALL}", ("x", "", CALL)),
    ("possible", "either", CALL, ("", "", CALL)),
    ("none", "either", "[1]", ("", "[1]", "")),
    ("none", "either", "<tool", ("", "", "<tool")),
    ("none", "calls", '{"name": 1}', ("", "", '{"name": 1}')),
]


def split(splitter: Splitter, pieces: list[str]) -> tuple[str, str, str]:
    shown = [each for piece in pieces for each in splitter.feed(piece)] + splitter.feed("", is_last=True)
    reasoning = "".join(piece.text for piece in shown if isinstance(piece, ReasoningPiece))
    text = "".join(piece.text for piece in shown if not isinstance(piece, ReasoningPiece))
    assert (reasoning, text) == (splitter.reasoning, splitter.text)
    return reasoning, text, splitter.calls


@pytest.mark.parametrize(("thinking", "answer", "raw", "expected"), CASES)
@given(cuts=st.lists(st.integers(0, 80), max_size=12))
def test_it_does_not_matter_where_a_reply_is_cut(
    thinking: Thinking, answer: Answer, raw: str, expected: tuple[str, str, str], cuts: list[int]
) -> None:
    marks = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[start:end] for start, end in itertools.pairwise(marks)]
    assert split(Splitter(thinking, answer), pieces) == expected


def test_text_is_shown_as_it_comes() -> None:
    splitter = Splitter("none", "either")
    assert [piece.text for piece in splitter.feed("{")] == ["{"]
    assert [piece.text for piece in splitter.feed('"a"')] == ['"a"']
