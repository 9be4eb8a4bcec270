"""`pentimento generate`: pictures of the trained generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def generate(
    out: Annotated[
        Path, typer.Argument(help="Folder of the pictures: a new or empty one, or one to go on in.")
    ],
    n: Annotated[int, typer.Option("-n", "--count", min=1, help="How many pictures.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other pictures.")] = 0,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a generator; default: the one the pipeline trained.")
    ] = None,
    truncation: Annotated[
        float, typer.Option(min=0, max=1, help="Lower: more typical pictures, less variety.")
    ] = 0.9,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Make N new pictures: 000000.png …, grid.png, and request.json, which says what made them.

    A picture depends on the model, the seed and its number only. A command that was stopped goes on
    where it was, and leaves the same bytes; a larger `-n` keeps the pictures that are there. A folder
    that holds anything else is refused.

    Examples:

    - `pentimento generate studies`

    - `pentimento generate studies -n 500 --seed 7 --truncation 0.7`

    - `pentimento generate studies -n 500 --model models/generator --dry-run --json`
    """
    from pipeline import paths
    from pipeline.errors import PentimentoError
    from pipeline.generation import batch
    from pipeline.models.registry import load_card
    from pipeline.training.families import generators

    source = model if model is not None else paths.project_root() / paths.GENERATOR
    load_card(source)  # a missing model is said before anything else
    if problem := batch.refusal(out, batch.request(source, seed, truncation)):
        raise PentimentoError(problem)
    missing = batch.missing(out, n)
    if not dry_run:
        batch.generate(generators.load(source), source, out, count=n, seed=seed, truncation=truncation)
    made = 0 if dry_run else missing
    if as_json:
        answer = {"out": str(out), "count": n, "seed": seed, "missing": missing, "made": made}
        typer.echo(json.dumps(answer | {"model": str(source), "truncation": truncation}, indent=1))
    elif dry_run:
        typer.echo(f"{missing} of {n} pictures would be made in {out} (dry run: nothing written).")
    else:
        there = f", {n - made} were there" if made < n else ""
        typer.echo(f"{made} pictures made in {out}{there}; see {out / batch.GRID}.")
