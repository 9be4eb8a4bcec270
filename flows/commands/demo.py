"""`pentimento demo`: the whole pipeline on the demo archive, then a batch restoration."""

from __future__ import annotations

import time

import typer


def demo() -> None:
    """Run the pipeline, restore a damaged archive with what it learnt, and print the report's path.

    Examples:

    - `pentimento demo`
    """
    from flows.commands.restore import restore
    from flows.commands.retrain import run_flow, show
    from pipeline import paths

    started = time.monotonic()
    root = paths.project_root()
    show(run_flow(root))
    damaged, out = root / paths.DAMAGED, root / "restored-archive"
    restore(damaged / paths.DAMAGED_WORKS, out, masks=damaged / paths.DAMAGED_MASKS, prefect=False)
    typer.echo(f"restored works: {out / paths.OUTPUT_WORKS}")
    typer.echo(f"report:         {root / paths.REPORT}")
    typer.echo(f"({time.monotonic() - started:.0f} s)")
