"""`pentimento classify`: the school and the subjects of paintings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def classify(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a trained classifier.", show_default="models/classifier")
    ] = None,
) -> None:
    """Say which school a painting is of, and what it shows.

    Exit code 1 when no file could be classified. The answers are suggestions, not attributions.

    Examples:

    - `pentimento classify painting.jpg`

    - `pentimento classify scans/ --json > classes.json`
    """
    from pipeline import paths as project
    from pipeline.evaluation import predict
    from pipeline.training.families import classifiers

    files = predict.find_images(paths)
    folder = model or project.project_root() / project.CLASSIFIER
    rows = predict.classify(files, classifiers.load(folder))
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        _print(rows)
    if all("error" in row for row in rows):
        raise typer.Exit(1)


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("file", overflow="fold", ratio=2), "school", "or", Column("shows", ratio=1))
    for row in rows:
        if "error" in row:
            table.add_row(Text(row["path"]), Text(f"not classified: {row['error']}", "red"), "", "")
            continue
        first = f"{row['school']} {row['probability']:.0%}" if "school" in row else ""
        others, tags = (
            ", ".join(f"{one['name']} {one['probability']:.0%}" for one in row[kind])
            for kind in ("alternatives", "tags")
        )
        table.add_row(Text(row["path"]), Text(first, "bold"), Text(others), Text(tags))
    Console().print(table)
