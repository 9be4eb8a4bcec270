"""`pentimento plan`: which stages would run, and why, before anything starts."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def plan(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show which stages would run and why; nothing is started.

    Examples:

    - `pentimento plan`

    - `pentimento plan --json`
    """
    from flows import stages
    from pipeline import paths

    nodes = stages.plan(paths.project_root())
    if as_json:
        typer.echo(
            json.dumps([{"stage": n.name, "needs": n.needs, "reason": n.reason} for n in nodes], indent=1)
        )
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "would run", "why")
    for node in nodes:
        table.add_row(node.name, "yes" if node.reason else "-", node.reason or "up to date")
    console = Console()
    console.print(table)
    stale = sum(node.reason is not None for node in nodes)
    console.print(f"{stale} of {len(nodes)} stages would run." if stale else "Everything is up to date.")
