"""`pentimento drift`: whether the works of today are like those of an earlier revision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

_COLOURS = {True: "bold red", False: ""}


def drift(
    against: Annotated[str, typer.Option(help="The git revision to compare with.")] = "HEAD",
    level: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Chance of any alarm where nothing differs.")
    ] = 0.05,
    show_all: Annotated[bool, typer.Option("--all", help="Show what has hardly moved, too.")] = False,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with 1 on an alarm.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Compare the works as they are now with those of a revision: each column, and what the pictures show.

    What arrived is compared by itself, too: among many old works a bad batch is hard to see. Drift is
    news, not a failure, unless --fail-on-drift is given. Nothing is written.

    Examples:

    - `pentimento drift` (after `pentimento retrain`, before the commit)

    - `pentimento drift --against HEAD~1 --all`

    - `pentimento drift --against v1.2 --fail-on-drift --json`
    """
    from flows.drift import compare
    from pipeline import paths

    found = compare(paths.project_root(), against, level)
    if as_json:
        typer.echo(json.dumps(_plain(found), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _print(found, against, show_all)
    if fail_on_drift and found["alarming"]:
        raise typer.Exit(1)


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """For JSON: tables as lists of rows, what does not apply as null."""
    plain = dict(found)
    for name in ("whole", "arrived"):
        if found[name] is not None:
            plain[name] = json.loads(found[name].to_json(orient="records", double_precision=6))
    return plain


def _print(found: Mapping[str, Any], against: str, show_all: bool) -> None:
    from rich.console import Console

    console, works = Console(), found["works"]
    changed = {name: len(ids) for name, ids in found["turnover"].items()}
    console.print(
        f"{works['before']} works at {against}, {works['now']} now: {changed['new']} new, "
        f"{changed['gone']} gone, {changed['pictures']} with another picture, "
        f"{changed['records']} with another record or label.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for name, title in (("whole", "All works"), ("arrived", "What arrived, against what was there")):
        if found[name] is not None:
            _print_table(console, title, found[name], show_all)
    for note in found["notes"]:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _print_table(console: Any, title: str, rows: pd.DataFrame, show_all: bool) -> None:
    """The rows that alarm, then the others by their effect; those that have hardly moved when asked for."""
    from rich.markup import escape
    from rich.table import Table

    ordered = rows.sort_values(["alarming", "effect"], ascending=False, kind="stable")
    shown = ordered if show_all else ordered[ordered["alarming"] | (ordered["p_adjusted"] < 0.5)]
    alarms = int(rows["alarming"].sum())
    judged = int(rows["p"].notna().sum())
    heading = f"{title}: {alarms} of {judged} comparisons alarm."
    console.print(f"\n{heading}" if alarms else f"\n{title}: nothing alarms in {judged} comparisons.")
    if shown.empty:
        return
    table = Table("column", "kind", "moved", "PSI", "p (Holm)", "alarm", "what")
    for row in shown.to_dict("records"):
        numbers = [
            _figure(row["effect"], ".1%"),
            _figure(row["psi"], ".2f"),
            _figure(row["p_adjusted"], ".2g"),
        ]
        alarm = "yes" if row["alarming"] else "-"
        cells = (row["column"], row["kind"], *numbers, alarm, row["detail"])
        table.add_row(*map(escape, cells), style=_COLOURS[bool(row["alarming"])])
    console.print(table)


def _figure(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
