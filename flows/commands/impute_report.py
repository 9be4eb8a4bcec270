"""`pentimento impute-report`: which method completes missing values best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def impute_report(
    table: Annotated[
        Path | None, typer.Argument(help="A .parquet, .csv or .tsv file.", show_default="data/works.parquet")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="To complete: NAME, NAME=COLUMN or NAME=COLUMN:year|number|name, with commas.")
    ] = "school,year",
    predictors: Annotated[
        str | None,
        typer.Option(help="Columns to predict from, written alike.", show_default="all that tell something"),
    ] = None,
    methods: Annotated[
        str, typer.Option(help="Names, or mappings as in params.yaml, with commas; all: every one.")
    ] = "all",
    order: Annotated[
        str | None, typer.Option(help="Column of numbers that interpolation goes along.", show_default="year")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Hide equal values of this column together; none: each row.", show_default="artist"
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts; each is hidden once.")] = 5,
    share: Annotated[
        float | None, typer.Option(min=0.01, max=0.9, help="Hide one part of this share only: quicker.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help=".npy with a row of numbers for each row.", show_default="data/features.parquet"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the parts, the methods and the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    page: Annotated[
        Path | None,
        typer.Option(help="Draw it into this HTML file.", show_default="reports/impute-report.html"),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the best into clean.missing of params.yaml.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --write: show the changes only.")] = False,
) -> None:
    """Hide known values, complete them by each method, and say which is best for each column.

    Names are judged by accuracy and macro-F1, numbers by the mean absolute error, each with a 95%
    interval, beside the most frequent name or the median. All works of an artist are hidden together,
    as gaps come in real records. If two columns write down one fact, name the predictors.

    Examples:

    - `pentimento impute-report`

    - `pentimento impute-report --columns school --methods "fill:mode, {method: picture, accept: 0.7}"`

    - `pentimento impute-report objects.csv --columns "birth=born_on:year, nationality" --predictors
      "death=died_on:year, medium" --group artist --order death --page methods.html`

    - `pentimento impute-report --write --dry-run`
    """
    from flows import impute
    from pipeline import paths
    from pipeline.archive.atomic import write_bytes
    from pipeline.catalog.missing import impute_plot
    from pipeline.catalog.missing import impute_report as measuring
    from pipeline.errors import PentimentoError

    if dry_run and not write:
        raise PentimentoError("--dry-run goes with --write")
    root = paths.project_root() if table is None or write else None
    chosen = impute.parse_methods(methods, order)
    pictures = impute.look_at_pictures(chosen)
    if write and root:
        impute.require_params(root / paths.PARAMS, columns)
    ready = impute.read(root, table, columns, predictors, group, features, pictures=pictures)
    hiding = measuring.Hiding(folds, share, ready.group, seed)
    reports = measuring.compare(ready.works, ready.columns, chosen, ready.features, hiding)
    target = page or (root / paths.IMPUTE_REPORT if root else None)
    if target:
        write_bytes(target, impute_plot.page(reports, impute.note(hiding)).encode())
    changes: list[tuple[str, Any, Any]] = []
    if write and root:
        best = {one["column"]: impute.best_of(one, chosen) for one in reports}
        changes = impute.write_methods(root / paths.PARAMS, best, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(reports, indent=1, ensure_ascii=False))
        return
    impute.print_tables(reports)
    if target:
        typer.echo(f"drawn: {target}")
    if write:
        for key, old, new in changes:
            typer.echo(f"{key}: {old} -> {new}")
        if dry_run or not changes:
            typer.echo("(nothing written)" if changes else "params.yaml has these methods already")
