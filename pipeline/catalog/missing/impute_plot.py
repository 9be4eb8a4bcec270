"""Draws the comparison of methods as one HTML page, which needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_LEFT, _WIDTH, _RIGHT, _STEP, _TOP = 250, 420, 260, 24, 40  # pixels
_STYLE = """
body { font: 15px/1.5 Georgia, serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
svg { display: block; max-width: 100%; height: auto; margin: .5rem 0 2rem; }
svg text { font: 13px Georgia, serif; fill: #222; }
.small { font-size: 11px; fill: #666; }
.axis { stroke: #999; fill: none; }
.base { stroke: #2a5a8c; stroke-dasharray: 4 3; }
"""
_COLOURS = {True: "#8c3b2a", False: "#777"}  # the best method, and others


def page(reports: Sequence[Mapping[str, Any]], note: str) -> str:
    """The page as HTML; equal reports give equal bytes.

    Args:
        reports: of `impute_report.compare`.
        note: how values were hidden, in a sentence.
    """
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f"<title>Missing values: methods compared</title><style>{_STYLE}</style></head><body>",
        f"<h1>Missing values: methods compared</h1><p>{escape(note)} A dot is the figure, its line the ",
        "95% interval (bootstrap over the groups). The dashed line is the baseline. The best method is the ",
        "one of the greatest gain over the baseline, where what it leaves missing gains nothing, if the ",
        "whole interval of the gain is above 0.</p>",
    ]
    for report in reports:
        parts.append(f"<h2>{escape(report['column'])}</h2><p>{escape(summary(report))}</p>")
        parts.append(chart(report))
        if report["unsuited"]:
            reasons = "".join(f"<li>{escape(one['reason'])}</li>" for one in report["unsuited"])
            parts.append(f"<details><summary>Methods that do not apply</summary><ul>{reasons}</ul></details>")
    return "".join([*parts, "</body></html>\n"])


def summary(report: Mapping[str, Any]) -> str:
    """What was hidden, and which method is best."""
    return (
        f"{report['hidden']:,} of {report['known']:,} known values hidden, in {report['groups']:,} groups; "
        f"{report['missing']:,} are missing. Best: {report['best']}."
    )


def chart(report: Mapping[str, Any]) -> str:
    """A dot with its interval for each method, as SVG; the scale starts at 0."""
    figure = "accuracy" if report["kind"] == "name" else "mae"
    rows = [row for row in report["methods"] if row[figure]]
    most = 1.0 if figure == "accuracy" else _longest(rows, report["baseline"])
    height = _TOP + len(rows) * _STEP + 10

    def x(value: float) -> float:
        return _LEFT + min(value / most, 1.0) * _WIDTH

    baseline = next(row[figure]["value"] for row in rows if row["method"] == report["baseline"])
    title = (
        "accuracy of what was completed" if figure == "accuracy" else "mean absolute error (less is better)"
    )
    parts = [
        f'<text x="{_LEFT}" y="14" class="small">{title}</text>',
        f'<text x="{_LEFT + _WIDTH + 16}" y="14" class="small">figure, coverage, confidence</text>',
        *(_tick(x(most * n / 4), most * n / 4) for n in range(5)),
        f'<path class="axis" d="M{_LEFT} 40h{_WIDTH}"/>',
        f'<path class="base" d="M{x(baseline):.1f} 40V{height - 6}"/>',
    ]
    for n, row in enumerate(rows):
        y, one, colour = _TOP + n * _STEP + 16, row[figure], _COLOURS[row["method"] == report["best"]]
        beyond = " →" if one["value"] > most else ""
        weight = ' font-weight="bold"' if row["method"] == report["best"] else ""
        said = f"{_short(one)}{beyond}, {row['coverage']:.0%}, {row['confidence']:.2f}"
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end"{weight}>{escape(row["method"])}</text>',
            f'<path d="M{x(one["low"]):.1f} {y}H{x(one["high"]):.1f}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{x(one["value"]):.1f}" cy="{y}" r="4.5" fill="{colour}"/>',
            f'<text x="{_LEFT + _WIDTH + 16}" y="{y + 4}" class="small">{said}</text>',
        ]
    width = _LEFT + _WIDTH + _RIGHT
    label = f"methods that complete {report['column']}"
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _tick(at: float, value: float) -> str:
    return (
        f'<text x="{at:.1f}" y="30" class="small" text-anchor="middle">{value:.3g}</text>'
        f'<path class="axis" d="M{at:.1f} 34v6"/>'
    )


def _longest(rows: Sequence[Mapping[str, Any]], baseline: str) -> float:
    """The end of the scale: the largest error, but at most twice the baseline's."""
    ends = [row["mae"]["high"] for row in rows]
    base = next(row["mae"]["high"] for row in rows if row["method"] == baseline)
    return min(max(ends), 2 * base) or 1.0


def _short(one: Mapping[str, float]) -> str:
    return f"{one['value']:.3g} [{one['low']:.3g}, {one['high']:.3g}]"
