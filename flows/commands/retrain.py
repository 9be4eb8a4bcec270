"""`pentimento retrain`: run every stale stage as a Prefect flow."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer


def retrain(
    sync: Annotated[bool, typer.Option(help="First look at the sources again.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run; start nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run every stage that is stale, side by side where the graph allows, and print the seconds of each.

    When nothing has changed it says so and starts no server. PENTIMENTO_WORKERS sets how many stages
    run side by side.

    Examples:

    - `pentimento retrain`

    - `pentimento retrain --dry-run`

    - `PREFECT_API_URL=http://127.0.0.1:4200/api pentimento retrain` (on a server of your own)
    """
    from pipeline import paths

    root = paths.project_root()
    if dry_run:
        from flows.commands.plan import plan

        return plan(as_json)
    seconds = run_flow(root, sync)
    if as_json:
        typer.echo(json.dumps({"seconds": seconds, "report": str(root / paths.REPORT)}, indent=1))
    else:
        show(seconds)
        typer.echo(f"report: {root / paths.REPORT}")


def run_flow(root: Path, sync: bool = True) -> dict[str, float]:
    """Run the flow when something is stale; the seconds of each stage that ran, none when nothing was."""
    from flows import offline, stages
    from flows.sync import changes

    if not (sync and changes(root).any) and not any(node.reason for node in stages.plan(root)):
        return {}
    offline.settle()
    from flows.retrain import retrain as flow

    result: dict[str, float] = flow(str(root), sync)
    logging.getLogger("prefect").setLevel(logging.WARNING)  # the last line is ours, not the server's
    return result


def show(seconds: dict[str, float]) -> None:
    """A table of the seconds of each stage."""
    if not seconds:
        typer.echo("Nothing to do: data, models and reports are up to date.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "seconds")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f}")
    Console().print(table)
