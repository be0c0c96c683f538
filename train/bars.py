"""Scores side by side as a picture: a group of bars for each figure, a bar for each model."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

_WIDTH, _HEIGHT, _EDGE, _FOOT = 760, 340, 44, 66
_COLOURS: Final = ("#c9ced6", "#8a97a8", "#8fb3c9", "#12466b", "#b98a3e", "#7a5a1e")


def draw(figures: Sequence[str], rows: Mapping[str, Sequence[float | None]], to: Path) -> None:
    """Draw shares of 0 to 1 as SVG; None leaves a gap."""
    height = _HEIGHT - _EDGE - _FOOT
    group = (_WIDTH - _EDGE) / len(figures)
    bar = group * 0.8 / max(len(rows), 1)
    parts: list[str] = []
    for mark in range(0, 101, 25):
        y = _EDGE + height * (1 - mark / 100)
        parts.append(
            f'<path d="M{_EDGE} {y:.1f}H{_WIDTH}" stroke="#e4e7eb"/><text x="6" y="{y + 4:.1f}">{mark} %</text>'
        )
    for place, figure in enumerate(figures):
        x = _EDGE + group * place
        parts.append(
            f'<text x="{x + group * 0.4:.1f}" y="{_HEIGHT - _FOOT + 16}" text-anchor="middle">{figure}</text>'
        )
        for index, shares in enumerate(rows.values()):
            share = shares[place]
            if share is not None:
                top = _EDGE + height * (1 - share)
                parts.append(
                    f'<rect x="{x + bar * index:.1f}" y="{top:.1f}" width="{bar * 0.9:.1f}" '
                    f'height="{height * share:.1f}" fill="{_COLOURS[index % len(_COLOURS)]}"/>'
                )
    for index, name in enumerate(rows):
        x, y = _EDGE + (index % 3) * 230, _HEIGHT - 26 + 16 * (index // 3)
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{_COLOURS[index % len(_COLOURS)]}"/>')
        parts.append(f'<text x="{x + 15}" y="{y}">{escape(name)}</text>')
    to.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )
