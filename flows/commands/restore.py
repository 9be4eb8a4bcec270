"""`pentimento restore`: an archive and its digital reconstruction."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.options import restore_options, with_options
from flows.tables import Rows, preview_rows, print_rows, summary_rows
from pipeline.restoration.methods import registry

if TYPE_CHECKING:
    from pipeline.restoration.runs.request import Request


class Runner(StrEnum):
    """What runs the workers."""

    local = "local"
    dask = "dask"
    ray = "ray"


def restore(
    src: Annotated[Path, typer.Argument(help="Folder of the archive; it is only ever read.")],
    out: Annotated[Path, typer.Argument(help="Folder of the results; not inside the archive.")],
    *,
    runner: Annotated[Runner, typer.Option(help="Processes of this machine, Dask or Ray.")] = Runner.local,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Works side by side; default: PENTIMENTO_WORKERS.")
    ] = None,
    prefect: Annotated[
        bool | None,
        typer.Option(help="Run as a Prefect flow; default: where PREFECT_API_URL names a server."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much there is to do; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    **options: Any,
) -> None:
    """Restore the works below SRC: OUT/data/works holds the same tree, OUT/data/proof what was changed.

    Only damaged pixels are changed (the steps enhance and upscale change all of them), and every changed
    work is marked as a digital reconstruction; a work that needs nothing is a byte copy. What is done
    is not done again: a run that was stopped, by whatever, goes on when the same command is given.
    Works that cannot be restored are listed in OUT/.pentimento/quarantine.csv, works that are gone from
    SRC in gone.csv beside it: their results are kept. Exit code 0: nothing failed.

    Examples:

    - `pentimento restore scans restored --masks masks`

    - `pentimento restore scans restored --include '*.tif' --limit 20 --dry-run`

    - `pentimento restore scans larger --mode upscale --scale 2`

    - `pentimento restore scans larger --steps detect,fill,enhance,upscale --scale 2`

    - `pentimento restore scans restored --jpeg-output tiff --workers 8 --json`
    """
    from flows import processes

    processes.configure_process()  # before numpy is loaded

    from flows.archive import preview
    from flows.requests import build_request
    from pipeline import environment
    from pipeline.restoration.runs.output import quarantine

    request = build_request(src, out, **options)
    crew = workers or environment.workers()
    if dry_run:
        seen = preview(request, crew)
        _show(seen, preview_rows, f"{src}: what would be done", as_json)
        return
    wanted = prefect if prefect is not None else bool(os.environ.get("PREFECT_API_URL"))
    summary = _run(request, runner.value, crew, wanted)
    _show(summary, summary_rows, f"{src} restored to {out}", as_json)
    if summary["failed"] or summary["left"]:
        left = f", {summary['left']} not reached" if summary["left"] else ""
        typer.echo(f"{summary['failed']} failed{left}: see {quarantine(out)}", err=True)
        raise typer.Exit(1)


def _run(request: Request, runner: str, workers: int, prefect: bool) -> dict[str, Any]:
    if prefect:
        from flows import offline

        offline.configure_prefect()
        from flows.restore import run_request

        offline.start_server()
        return run_request(request, runner, workers)
    from flows.archive import restore_archive

    return restore_archive(request, runner, workers).as_dict()


def _show(
    values: dict[str, Any], rows: Callable[[Mapping[str, Any]], Rows], title: str, as_json: bool
) -> None:
    """Standard output holds this and nothing else; progress goes to standard error."""
    if as_json:
        typer.echo(json.dumps(values, indent=1))
    else:
        print_rows(title, rows(values))


_OWN = inspect.signature(restore, eval_str=True)


def _renew() -> None:
    """Show the options of the steps that are registered now."""
    told = with_options(_OWN, [option.for_command for option in restore_options()])
    restore.__signature__ = told  # type: ignore[attr-defined]
    restore.__annotations__ = {name: parameter.annotation for name, parameter in told.parameters.items()}


registry.on_change(_renew)
