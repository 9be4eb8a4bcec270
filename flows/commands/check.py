"""`pentimento check`: are the project and this machine sound."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check parameters, sources, graph, schedule, git and DVC; exit code 1 when something is wrong.

    Examples:

    - `pentimento check`

    - `pentimento check --json`
    """
    from flows import checks
    from pipeline import paths

    found = checks.run_all(paths.project_root())
    if as_json:
        typer.echo(json.dumps([{"check": c.name, "ok": c.ok, "detail": c.detail} for c in found], indent=1))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("check", "", "detail")
        for one in found:
            table.add_row(one.name, "ok" if one.ok else "[bold red]wrong[/]", one.detail)
        Console().print(table)
    if not all(one.ok for one in found):
        raise typer.Exit(1)
