"""The data report: incoming works, what happened to them, and works that need a check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.evaluation.report import charts
from pipeline.evaluation.report.template import fill

_LABELS = 12  # labelled bins of the years, at most


@dataclass(frozen=True)
class Card:
    """A picture, or a placeholder with the reason why it cannot be shown."""

    name: str  # of the file
    uri: str | None  # of the picture; None: there is none
    absent: str = ""  # why, where the lines do not say it
    lines: tuple[str, ...] = ()  # what is said of it


@dataclass(frozen=True)
class Gallery:
    """Cards of one part of the page, in groups, and how many were left out."""

    groups: Sequence[Sequence[Card]] = field(default_factory=tuple)
    left_out: int = 0


def render(
    numbers: Mapping[str, Any], galleries: Mapping[str, Gallery], title: str, lost: Sequence[str] = ()
) -> str:
    """The page as HTML, which needs no network. It holds no time and no host: equal inputs give equal bytes.

    Args:
        numbers: as `pipeline/catalog/checks/profile.py` counts them.
        galleries: `duplicates` (a group for each group of works), `suspects` and `quarantine`.
        title: heading of the page.
        lost: ids of works that are neither kept nor in quarantine.
    """
    return fill(
        "data.html",
        title=title,
        n=numbers,
        headlines=_headlines(numbers),
        galleries=galleries,
        lost=lost,
        lost_completed={label: count for label, count in numbers["held_out_completed"].items() if count},
        rules=[
            (stage, rule, count)
            for stage, rules in numbers["broken_rules"].items()
            for rule, count in rules.items()
        ],
        classes={label: _balance(rows) for label, rows in numbers["classes"].items()},
        confidence={
            (label, method): charts.columns(_tenths(counts), 2)
            for label, said in numbers["labels"].items()
            for method, counts in said["confidence"].items()
        },
        years=_years(numbers["years"]),
    )


def _headlines(numbers: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The figures that people ask for first: (title, figure, what goes with it)."""
    rows, duplicates, suspects = numbers["rows"], numbers["duplicates"], numbers["suspects"]
    completed = sum(
        count
        for said in numbers["labels"].values()
        for origin, count in said["origins"].items()
        if origin not in ("recorded", "missing")
    )
    broken = sum(len(rules) for rules in numbers["broken_rules"].values())
    judged = f"of {suspects['judged']:,} judged" if suspects["judged"] else "none were judged"
    return [
        ("pictures came in", f"{rows['in']:,}", f"from {len(rows['sources'])} source(s)"),
        ("are learnt from", f"{rows['kept']:,}", f"{rows['quarantined']:,} in quarantine"),
        ("labels were completed", f"{completed:,}", "each says by which method"),
        ("groups of near-duplicates", f"{duplicates['groups']:,}", f"{duplicates['works']:,} works in them"),
        ("labels are suspect", f"{suspects['suspect']:,}", judged),
        ("rules are broken", f"{broken:,}", "of those that the tables must keep"),
    ]


def _balance(rows: Mapping[str, Mapping[str, float]]) -> Any:
    return charts.bars(
        {
            name: {"works": row["works"], "after rebalancing": round(row["after"], 1)}
            for name, row in rows.items()
        }
    )


def _tenths(counts: Sequence[int]) -> dict[str, dict[str, float]]:
    return {f"{n / 10:.1f}": {"works": count} for n, count in enumerate(counts)}


def _years(years: Mapping[str, Any]) -> Any:
    bins = years["bins"]
    kept = {name: {k: v for k, v in row.items() if k == "recorded" or v} for name, row in bins.items()}
    return charts.columns(kept, max(1, -(-len(bins) // _LABELS)))
