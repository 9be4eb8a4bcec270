"""`pentimento profile`: a named overlay of params.yaml."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def profile(
    name: Annotated[str, typer.Argument(help="A file of profiles/, without its suffix.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes; write nothing.")] = False,
) -> None:
    """Write a profile's values into params.yaml, where DVC sees them; comments and other values stay.

    Examples:

    - `pentimento profile gpu --dry-run`

    - `pentimento profile gpu` (commit params.yaml first: `git checkout params.yaml` then undoes it)
    """
    import io

    from ruamel.yaml import YAML

    from pipeline import paths
    from pipeline.archive.atomic import write_bytes
    from pipeline.errors import PentimentoError
    from pipeline.params import read_params

    root = paths.project_root()
    file = root / "profiles" / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in (root / "profiles").glob("*.yaml")))
        raise PentimentoError(f"there is no profile '{name}'; there are: {known or 'none'}")
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    null = "tag:yaml.org,2002:null"
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(null, "null"))
    params = yaml.load((root / paths.PARAMS).read_text(encoding="utf-8"))
    changes = _overlay(params, read_params(file))
    for key, old, new in changes:
        typer.echo(f"{key}: {old} -> {new}")
    if dry_run or not changes:
        typer.echo("(nothing written)" if changes else "params.yaml has these values already")
        return
    text = io.StringIO()
    yaml.dump(params, text)
    write_bytes(root / paths.PARAMS, text.getvalue().encode())


def _overlay(target: Any, values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Set the values in place; (dotted key, old, new) of each that differed."""
    from pipeline.errors import PentimentoError

    changes: list[tuple[str, Any, Any]] = []
    for key, value in values.items():
        if key not in target:
            raise PentimentoError(f"the profile sets '{prefix}{key}', which params.yaml does not have")
        if isinstance(value, dict):
            changes += _overlay(target[key], value, f"{prefix}{key}.")
        elif target[key] != value:
            old = list(target[key]) if isinstance(value, list) else target[key]
            changes.append((f"{prefix}{key}", old, value))
            if isinstance(value, list):
                target[key][:] = value  # in place, so that it is still written on one line
            else:
                target[key] = value
    return changes
