"""`pentimento sync`: look at the sources again."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def sync(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is there; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Look at the sources again: new, changed and gone scans, by size and modification time first.

    Only the inventory is written; `pentimento retrain` then runs what depends on it.

    Examples:

    - `pentimento sync`

    - `pentimento sync --dry-run`
    """
    from flows import stages
    from flows import sync as syncing
    from pipeline import paths

    root = paths.project_root()
    found = syncing.changes(root)
    if not dry_run and found.any:
        stages.run(root, "inventory", lambda line: typer.echo(line, err=True), force=True)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        typer.echo(found.sentence() + (" (dry run: nothing written)" if dry_run and found.any else ""))
