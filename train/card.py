"""The card of an adapter, from what its file says and what was measured: `python -m train.card`."""

import argparse
from pathlib import Path
from typing import Any, Final

import gguf
import msgspec

from train.evaluate import Scores, table

_CARD: Final = """\
# SmolLM2-135M-Instruct for vtcode

A LoRA adapter ({megabytes:.1f} MB, rank {rank}, half precision) that teaches SmolLM2-135M-Instruct the prompts and
tools of vtcode. Written by `train/card.py`; `docs/training.md` says how the adapter is made.

| | |
|---|---|
| base | HuggingFaceTB/SmolLM2-135M-Instruct (Apache-2.0), as Q4_1; SHA-256 `{base}` |
| licence | Apache-2.0, as the base |
| data | at most {samples:,} conversations by the programs in `train/`, seed {seed}; nobody's words, no model's |
| format | the compact profile's prompts; SHA-256 `{format}` |
| served as | a copy of the base with the adapter merged in, quantised as `{types}` |
| applied to | requests whose instructions begin with "{prefix}"; all others get the base alone |

The data's names, and some short functions in it, are from Python's standard library (PSF-2.0).

## Results

Held-out conversations, through the server, temperature 0, each reply asked for after the right ones before it
(`train/evaluate.py`). No wording, name or project of theirs was in training.

{table}

"Under the grammar" is how vtcode asks: replies are calls or the answer, and paths, lines to edit and words to
search for are copied from what there is. The rules for which lines can be meant, and that a question cannot become an
edit, were written after a look at held-out misses, and so were some wordings of the training. `docs/default-model.md`
says what became of tasks that others wrote.

## What it cannot do

- Write code, plan, or find out by itself what to do: it follows one plain order of the kinds that it was taught.
- Anything but English.
- Edit several lines at once, search by a regular expression, or write to a path that was not said.
- Be believed unseen: an answer now and then names the wrong file, or adds what nobody wrote. What it read and did
  stands in its calls.
- Be safe by itself: it was shown a few instructions inside files and taught to leave them alone, which is no
  protection. The sandbox and the policies are.
"""


def card(adapter: Path, rows: dict[str, Scores]) -> str:
    """Write the card of an adapter as Markdown.

    Args:
        adapter: the file, as `python -m train` writes it.
        rows: what `python -m train.evaluate --results` keeps.
    """
    reader = gguf.GGUFReader(adapter)

    def of(name: str) -> Any:
        return reader.fields[name].contents()

    return _CARD.format(
        megabytes=adapter.stat().st_size / 1e6,
        rank=int(of("adapter.lora.alpha")),
        base=of("vtcode.base_sha256"),
        format=of("vtcode.format"),
        types=of("vtcode.merged_types"),
        samples=of("vtcode.samples"),
        seed=of("vtcode.seed"),
        prefix=of("adapter.lora.prompt_prefix"),
        table=table(rows),
    )


def main() -> None:
    """Print a card."""
    parser = argparse.ArgumentParser(prog="python -m train.card", description=__doc__)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, metavar="JSON", help="what train.evaluate has kept")
    arguments = parser.parse_args()
    rows = msgspec.json.decode(arguments.results.read_bytes(), type=dict[str, Scores])
    print(card(arguments.adapter, rows), end="")


if __name__ == "__main__":
    main()
