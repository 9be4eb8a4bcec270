"""Small charts and pictures for the page: SVG drawn here, files as data URIs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

_COLOURS = ("#8c3b2a", "#2a5a8c", "#5b7a3a", "#8c6d2a")
_LABEL = 20  # letters


def picture(file: Path, max_side: int = 1400) -> Markup:
    """An <img> that carries its file, re-encoded as WebP of at most `max_side` pixels."""
    uri, width, height = data_uri(file, max_side)
    return Markup('<img src="{}" width="{}" height="{}" alt="{}">').format(uri, width, height, file.stem)


def data_uri(file: Path, max_side: int = 1400) -> tuple[str, int, int]:
    """A picture file as (data URI, width, height) in pixels."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    image.thumbnail((max_side, max_side))
    return _encoded(image, 85), *image.size


def thumbnail_uri(pixels: NDArray[np.uint8], max_side: int) -> str:
    """A picture (H, W, 3), 8-bit sRGB, as the data URI of a small WebP of at most `max_side` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((max_side, max_side))
    return _encoded(image, 75)


def _encoded(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def bars(groups: Mapping[str, Mapping[str, float]]) -> Markup:
    """Horizontal bars: label -> series -> value; the series share one scale."""
    series = list(dict.fromkeys(name for values in groups.values() for name in values))
    largest = max((value for values in groups.values() for value in values.values()), default=1) or 1
    bar, gap, left, width = 12, 8, 130, 420
    step = bar * len(series) + gap
    parts = []
    for row, (label, values) in enumerate(groups.items()):
        y = row * step + 20
        parts.append(f'<text x="{left - 6}" y="{y + bar}" text-anchor="end">{_label(label)}</text>')
        for n, name in enumerate(series):
            value, top = values.get(name, 0), y + n * bar
            end = left + value / largest * width
            size = f'width="{end - left:.1f}" height="{bar - 2}" fill="{_COLOURS[n]}"'
            parts.append(f'<rect x="{left}" y="{top}" {size}/>')
            parts.append(f'<text x="{end + 4:.1f}" y="{top + 9}" class="small">{value:g}</text>')
    return _svg(parts, series, left + width + 60, len(groups) * step + 24, left)


def columns(bins: Mapping[str, Mapping[str, float]], every: int = 1) -> Markup:
    """Upright columns, one beside the other: bin -> series -> value, the series stacked.

    Every `every`-th bin is labelled.
    """
    series = list(dict.fromkeys(name for values in bins.values() for name in values))
    largest = max((sum(values.values()) for values in bins.values()), default=1) or 1
    left, top, height = 56, 24, 150
    wide = min(24.0, max(6.0, 820 / max(1, len(bins))))
    parts = [
        f'<text x="{left - 6}" y="{top + 8}" text-anchor="end" class="small">{largest:g}</text>',
        f'<path d="M{left} {top}V{top + height}H{left + wide * len(bins):.1f}" class="axis"/>',
    ]
    for n, (label, values) in enumerate(bins.items()):
        x, base = left + n * wide, float(top + height)
        for k, name in enumerate(series):
            high = values.get(name, 0) / largest * height
            base -= high
            place = f'x="{x + 1:.1f}" y="{base:.1f}" width="{wide - 2:.1f}" height="{high:.1f}"'
            if high:
                title = f"<title>{escape(label)}, {escape(name)}: {values[name]:g}</title>"
                parts.append(f'<rect {place} fill="{_COLOURS[k]}">{title}</rect>')
        if n % every == 0:
            parts.append(f'<text x="{x:.1f}" y="{top + height + 14}" class="small">{_label(label)}</text>')
    return _svg(parts, series, left + wide * len(bins) + 40, top + height + 20, left)


def lines(series: Mapping[str, Sequence[float]]) -> Markup:
    """A line per series over its index, on one scale from the smallest to the largest value."""
    values = [value for line in series.values() for value in line if math.isfinite(value)]
    if not values:
        return Markup("")
    low, high = min(values), max(values)
    span, left, width, height = (high - low) or 1.0, 56, 420, 150
    parts = [
        f'<text x="{left - 6}" y="32" text-anchor="end" class="small">{high:.3g}</text>',
        f'<text x="{left - 6}" y="{height + 24}" text-anchor="end" class="small">{low:.3g}</text>',
        f'<path d="M{left} 24V{height + 24}H{left + width}" class="axis"/>',
    ]
    for n, line in enumerate(series.values()):
        step = width / max(1, len(line) - 1)
        points = " ".join(
            f"{left + k * step:.1f},{24 + height * (1 - (v - low) / span):.1f}"
            for k, v in enumerate(line)
            if math.isfinite(v)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[n % 4]}" stroke-width="2"/>')
    return _svg(parts, list(series), left + width + 20, height + 40, left)


def _label(text: str) -> str:
    """A label cut to fit beside a bar; the tooltip shows all of it."""
    if len(text) <= _LABEL:
        return escape(text)
    return f"{escape(text[: _LABEL - 1])}…<title>{escape(text)}</title>"


def _svg(parts: Sequence[str], series: Sequence[str], width: float, height: float, left: float) -> Markup:
    legend = "".join(
        f'<tspan fill="{_COLOURS[n % 4]}">■ {escape(name)}  </tspan>' for n, name in enumerate(series)
    )
    body = "".join(parts)
    return Markup(  # every text in it was escaped above
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">'
        f'<text x="{left}" y="12" class="small">{legend}</text>{body}</svg>'
    )
