"""A small picture of lines over logarithmic axes, as SVG, readable on light and on dark paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 400, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 36, 52, 96
_SHAPES = ("", "6 3", "2 3", "9 3 2 3")
"""Lines differ in their dashes, too: not everybody sees four colours."""

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #3b4149; }
  .title { font-size: 14px; font-weight: 600; }
  .grid { stroke: #d6dae0; }
  .line { fill: none; stroke-width: 2; }
  .c0 { stroke: #1b62c4; } .c1 { stroke: #b3480b; }
  .c2 { stroke: #23733a; } .c3 { stroke: #8a3aa8; }
  .d0 { fill: #1b62c4; } .d1 { fill: #b3480b; } .d2 { fill: #23733a; } .d3 { fill: #8a3aa8; }
  @media (prefers-color-scheme: dark) {
    text { fill: #d5dae1; }
    .grid { stroke: #3c434d; }
    .c0 { stroke: #7db2ff; } .c1 { stroke: #ffab70; }
    .c2 { stroke: #7ee093; } .c3 { stroke: #d9a5f0; }
    .d0 { fill: #7db2ff; } .d1 { fill: #ffab70; } .d2 { fill: #7ee093; } .d3 { fill: #d9a5f0; }
  }
"""


@dataclass(frozen=True)
class Line:
    """One line: its name, and where it goes; every value is above zero."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis."""

    unit: str
    lines: Sequence[Line]


def drawn(title: str, panels: Sequence[Panel]) -> str:
    """The picture.

    Args:
        title: what it shows.
        panels: side by side.
    """
    width = WIDTH * len(panels)
    told = "; ".join(
        f"{line.name} {line.points[0][1]:.3g} to {line.points[-1][1]:.3g} {panel.unit}"
        for panel in panels
        for line in panel.lines
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" role="img" '
        f'width="{width}" height="{HEIGHT}">',
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * WIDTH} 0)">')
        parts += _panel(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> list[str]:
    across = [x for line in panel.lines for x, _ in line.points]
    up = [y for line in panel.lines for _, y in line.points]
    x_from, x_to = math.floor(math.log10(min(across))), math.ceil(math.log10(max(across)))
    y_from, y_to = math.floor(math.log10(min(up))), math.ceil(math.log10(max(up)))

    def left(x: float) -> float:
        share = (math.log10(x) - x_from) / (x_to - x_from)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def top(y: float) -> float:
        share = (math.log10(y) - y_from) / (y_to - y_from)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text x="{_LEFT}" y="{_TOP - 10}">{escape(panel.unit)}</text>']
    for power in range(y_from, y_to + 1):
        y = top(10.0**power)
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(power)}</text>'
        )
    for power in range(x_from, x_to + 1):
        x = left(10.0**power)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>'
            f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{_tick(power)}</text>"
        )
    for number, line in enumerate(panel.lines):
        path = "L".join(f"{left(x):.1f} {top(y):.1f}" for x, y in line.points)
        dashes = f' stroke-dasharray="{_SHAPES[number]}"' if _SHAPES[number] else ""
        parts.append(f'<path class="line c{number}" d="M{path}"{dashes}/>')
        parts += [
            f'<circle class="d{number}" cx="{left(x):.1f}" cy="{top(y):.1f}" r="3"/>'
            for x, y in line.points
        ]
        x, y = _LEFT + (number % 2) * 170, HEIGHT - _BOTTOM + 42 + (number // 2) * 20
        parts.append(
            f'<path class="line c{number}" d="M{x} {y - 4}h26"{dashes}/>'
            f'<text x="{x + 32}" y="{y}">{escape(line.name)}</text>'
        )
    return parts


def _tick(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"
