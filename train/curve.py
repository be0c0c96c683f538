"""The loss of a run as a picture: each step a dot, and their running mean."""

import json
from pathlib import Path
from typing import Final

_WIDTH, _HEIGHT, _EDGE = 640, 320, 44
_MEAN: Final = 0.9
"""What of the mean stays at each step."""


def draw(log: Path, to: Path) -> None:
    """Draw the log of a run as SVG."""
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [step["loss"] for step in steps]
    top = max(losses) * 1.05

    def at(index: int, loss: float) -> tuple[float, float]:
        x = _EDGE + (_WIDTH - 2 * _EDGE) * index / max(len(losses) - 1, 1)
        return round(x, 1), round(_HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * loss / top, 1)

    dots: list[str] = []
    line: list[str] = []
    mean = losses[0]
    for index, loss in enumerate(losses):
        mean = _MEAN * mean + (1 - _MEAN) * loss
        x, y = at(index, loss)
        dots.append(f'<circle cx="{x}" cy="{y}" r="1.5"/>')
        line.append("{},{}".format(*at(index, mean)))
    marks = [top * part / 4 for part in range(5)]
    scale = "".join(f'<text x="4" y="{at(0, mark)[1]}">{mark:.2f}</text>' for mark in marks)
    to.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/><g fill="#9ab">{"".join(dots)}</g>'
        f'<polyline points="{" ".join(line)}" fill="none" stroke="#124" stroke-width="1.5"/>{scale}'
        f'<text x="{_EDGE}" y="{_HEIGHT - 8}">step 1 to {len(losses)}; the line is the running mean</text>'
        f'<text x="{_EDGE}" y="16">loss of a learned token</text></svg>\n'
    )
