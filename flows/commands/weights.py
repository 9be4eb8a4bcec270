"""`pentimento weights`: train a network by its recipe file, from a clean clone on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def weights(
    name: Annotated[str, typer.Argument(help="A file of profiles/weights/, without its suffix.")],
    minutes: Annotated[
        float | None, typer.Option(help="Budget of the training; without it, as long as the recipe says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; by default .state/weights/NAME.")] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="A folder of further pictures; may be given several times.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="A list of pictures to leave out, a name a line.")
    ] = None,
) -> None:
    """Make the weights of a network by its recipe in profiles/weights/, with their card.

    The data stages up to `prepare` run first where they are stale. What comes with Pentimento stays as it
    is, unless `--out pretrained/NAME` says otherwise.

    Examples:

    - `pentimento weights upscaler_x2 --minutes 2`

    - `pentimento weights detector --images paintings --exclude measured.txt --out pretrained/detector`
    """
    import subprocess
    import sys

    from flows import stages
    from pipeline import environment, paths
    from pipeline.weights import read

    root = paths.project_root()
    read(name, root)  # a wrong name or value is told before anything runs
    for node in _up_to("prepare", stages.plan(root)):
        typer.echo(f"{node.name}: {node.reason}", err=True)
        stages.run(root, node.name, lambda line: typer.echo(line, err=True))
    folder = out or environment.state_dir(root) / "weights" / name
    command = [sys.executable, "-m", "pipeline.weights", name, "--out", str(folder)]
    command += ["--minutes", str(minutes)] if minutes is not None else []
    command += [part for one in images or [] for part in ("--images", str(one))]
    command += ["--exclude", str(exclude)] if exclude else []
    # A process of its own: with several devices Lightning starts its command once for each.
    code = subprocess.run(command, check=False).returncode
    if code:
        raise typer.Exit(code)
    typer.echo(f"weights and card: {folder}")


def _up_to(last: str, plan: list[Any]) -> list[Any]:
    """The stale nodes among a stage and all that it needs, in the order in which they can run."""
    nodes = {node.name: node for node in plan}
    needed, todo = set(), [last]
    while todo:
        needed.add(name := todo.pop())
        todo += nodes[name].needs
    return [node for node in plan if node.name in needed and node.reason]
