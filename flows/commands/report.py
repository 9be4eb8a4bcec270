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
    from pipeline import paths
    from pipeline.errors import PentimentoError

    file = paths.project_root() / paths.REPORT
    if not file.exists():
        raise PentimentoError(f"there is no report yet ({file}); `pentimento retrain` makes it")
    typer.echo(str(file))
    if open_it:
        typer.launch(file.as_uri())
