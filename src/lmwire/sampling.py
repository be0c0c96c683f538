"""What the requests of Chat Completions and of Completions have in common."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


Penalty = Annotated[float, Meta(ge=-2, le=2)]
Probability = Annotated[float, Meta(ge=0, le=1)]


Seed = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
TokenLimit = Annotated[int, Meta(ge=-1, le=1 << 31)]
Bias = Annotated[float, Meta(ge=-100, le=100)]


class SamplingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How tokens are picked, and what both kinds of completion take beside it. A null means a missing key."""

    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Meta(ge=0, le=1 << 31)] | None = None
    min_p: Probability | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, Bias] | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    ttl: Annotated[int, Meta(ge=0, le=1 << 31)] | None = None
    """Seconds without a request after which the model may be let go; LM Studio's extension."""
    user: str | None = None
    """Who asks, for the sender's own books; it changes nothing in the reply."""
    draft_model: str | None = None
    """LM Studio's choice of a smaller model that guesses ahead; refused by name."""
    grammar: Any = None
    """llama.cpp's own constraint, and those of other servers: refused by name, never left out."""
    json_schema: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    structured_outputs: Any = None
