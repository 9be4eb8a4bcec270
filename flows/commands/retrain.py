"""`pentimento retrain`: run every stale stage as a Prefect flow."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

OnDrift = Literal["warn", "stop"]


def retrain(
    sync: Annotated[bool, typer.Option(help="First look at the sources again.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run; start nothing.")] = False,
    on_drift: Annotated[
        OnDrift, typer.Option(help="When the works have drifted since the last run: go on, or train nothing.")
    ] = "warn",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run every stage that is stale, side by side where the graph allows, and print the seconds of each.

    Before anything is trained, the works are compared with those of the last run. When nothing has changed
    it says so and starts no server. PENTIMENTO_WORKERS sets how many stages run side by side.

    Examples:

    - `pentimento retrain`

    - `pentimento retrain --dry-run`

    - `pentimento retrain --on-drift stop`

    - `PREFECT_API_URL=http://127.0.0.1:4200/api pentimento retrain` (on a server of your own)
    """
    from pipeline import paths

    root = paths.project_root()
    if dry_run:
        from flows.commands.plan import plan

        return plan(as_json)
    result = run_flow(root, sync, on_drift)
    if as_json:
        typer.echo(json.dumps({**result, "report": str(root / paths.REPORT)}, indent=1))
    else:
        show(result)
        typer.echo(f"report: {root / paths.REPORT}")


def run_flow(root: Path, sync: bool = True, on_drift: OnDrift = "warn") -> dict[str, Any]:
    """Run the flow when something is stale: the seconds of each stage that ran, and drift, a line each."""
    from flows import offline, stages
    from flows.sync import changes

    if not (sync and changes(root).any) and not any(node.reason for node in stages.plan(root)):
        return {"seconds": {}, "drift": []}
    offline.configure_prefect()
    from flows.retrain import retrain as flow

    offline.start_server()
    result: dict[str, Any] = flow(str(root), sync, on_drift)
    logging.getLogger("prefect").setLevel(logging.WARNING)  # the last line is ours, not the server's
    return result


def show(result: Mapping[str, Any]) -> None:
    """A table of the seconds of each stage, then what has drifted."""
    if not result["seconds"]:
        typer.echo("Nothing to do: data, models and reports are up to date.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "seconds")
    for name, value in result["seconds"].items():
        table.add_row(name, f"{value:.1f}")
    Console().print(table)
    for line in result["drift"]:
        typer.echo(f"drift: {line}")
