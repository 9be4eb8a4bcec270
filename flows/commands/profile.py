"""`pentimento profile`: a named overlay of params.yaml."""

from __future__ import annotations

from typing import Annotated

import typer


def profile(
    name: Annotated[str, typer.Argument(help="A file of profiles/, without its suffix.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes; write nothing.")] = False,
) -> None:
    """Write a profile's values into params.yaml, where DVC sees them; comments and other values stay.

    Examples:

    - `pentimento profile gpu --dry-run`

    - `pentimento profile gpu` (commit params.yaml first: `git checkout params.yaml` then undoes it)
    """
    from flows.params_file import overlay
    from pipeline import paths
    from pipeline.errors import PentimentoError
    from pipeline.params import read_params

    root = paths.project_root()
    file = root / paths.PROFILES / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in (root / paths.PROFILES).glob("*.yaml")))
        raise PentimentoError(f"there is no profile '{name}'; there are: {known or 'none'}")
    changes = overlay(root / paths.PARAMS, read_params(file), dry_run=dry_run)
    for key, old, new in changes:
        typer.echo(f"{key}: {old} -> {new}")
    if dry_run or not changes:
        typer.echo("(nothing written)" if changes else "params.yaml has these values already")
