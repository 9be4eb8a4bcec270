"""`pentimento report`: where the report is."""

from __future__ import annotations

from typing import Annotated

import typer


def report(
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Print the path of the last report, and open it if asked.

    Examples:

    - `pentimento report --open`
    """
    from flows import stages
    from pipeline import paths
    from pipeline.errors import PentimentoError

    root = paths.project_root()
    file = root / paths.REPORT
    if not file.exists():
        raise PentimentoError(f"there is no report yet ({file}); `pentimento retrain` makes it")
    typer.echo(str(file))
    if any(node.reason for node in stages.plan(root)):
        typer.echo("it is older than the data or the settings: see `pentimento plan`", err=True)
    if open_it:
        typer.launch(file.as_uri())
