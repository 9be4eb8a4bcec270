"""`pentimento demo`: the whole pipeline on the demo archive, then a batch restoration."""

from __future__ import annotations

import time

import typer


def demo() -> None:
    """Run the pipeline, restore a damaged archive with what it learnt, and print the report's path.

    Examples:

    - `pentimento demo`
    """
    from flows.commands.retrain import run_flow, show
    from flows.restore import RestoreOptions, restore_archive
    from pipeline import paths

    started = time.monotonic()
    root = paths.project_root()
    show(run_flow(root))
    damaged = root / paths.DAMAGED
    summary = restore_archive(
        damaged / "works", root / "restored-archive", RestoreOptions(masks=damaged / "masks"), prefect=False
    )
    typer.echo(summary.sentence())
    typer.echo(f"{time.monotonic() - started:.0f} s")
    typer.echo(f"restored works: {root / 'restored-archive' / 'data' / 'works'}")
    typer.echo(f"report:         {root / paths.REPORT}")
