"""What both kinds of completion ask for alike: sampling, the number of choices, and what is refused by name."""

import logging
from collections.abc import Iterable

from lmserver.engines import Sampling
from lmserver.errors import invalid, unsupported
from lmwire.sampling import SamplingRequest

log = logging.getLogger("lmstudio")

MAX_CHOICES = 8
MAX_STOPS = 16
MAX_STOP = 256
"""Characters of one stop string."""
MAX_BIASES = 1000

_SEEDS = 0xFFFFFFFF
"""The engine's seeds have 32 bits; folding keeps equal seeds equal. The highest means a random one."""

_CONSTRAINTS = "json_schema guided_json guided_regex guided_choice guided_grammar structured_outputs".split()


def refuse_unsupported(asked: SamplingRequest) -> None:
    """Refuse what neither kind of completion can do. Raises `ApiError` 400 with the parameter's name."""
    if asked.n is not None and asked.n > MAX_CHOICES:
        raise invalid("n", f"at most {MAX_CHOICES} choices are made for one request")
    if asked.draft_model:
        raise unsupported("draft_model", "the operator chooses it when the model is loaded; leave it out")
    if asked.grammar:
        raise unsupported("grammar", "grammars are not taken; use response_format with a JSON Schema")
    for name in _CONSTRAINTS:
        if getattr(asked, name) is not None:
            raise unsupported(name, "this server's name for it is response_format")


def sampling_of(asked: SamplingRequest) -> Sampling:
    """Translate how tokens are picked. Raises `ApiError` 400 for stops and biases beyond what is taken."""
    return Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        min_p=asked.min_p,
        repeat_penalty=asked.repeat_penalty,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        seed=None if asked.seed is None else asked.seed % _SEEDS,
        stop=_stops(asked.stop),
        logit_bias=_biases(asked.logit_bias),
    )


def seeds(asked: SamplingRequest, count: int) -> Iterable[int | None]:
    """Give each choice a seed of its own, if the request has one."""
    return [None if asked.seed is None else (asked.seed + index) % _SEEDS for index in range(count)]


def _stops(given: str | list[str] | None) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else given or []
    if len(stops) > MAX_STOPS:
        raise invalid("stop", f"at most {MAX_STOPS} strings are taken")
    for stop in stops:
        if not 0 < len(stop) <= MAX_STOP:
            raise invalid("stop", f"each string has 1 to {MAX_STOP} characters")
    return tuple(stops)


def _biases(given: dict[str, float] | None) -> dict[str, float] | None:
    if given and len(given) > MAX_BIASES:
        raise invalid("logit_bias", f"at most {MAX_BIASES:,} tokens are taken")
    for token in given or {}:
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise invalid("logit_bias", f"{token[:20]!r} is not the number of a token")
    return given or None
