"""params.yaml changed by a program: comments and other values stay; it is written wholly or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def set_missing(file: Path, methods: Mapping[str, Any], *, dry_run: bool) -> list[tuple[str, Any, Any]]:
    """Write methods into `clean.missing`, and return what changes: (dotted key, old, new).

    Args:
        file: params.yaml.
        methods: column -> a method, as a name or a mapping.
        dry_run: only say what would change.

    Raises:
        PentimentoError: when the file has no such key; nothing is written then.
    """
    import io

    from pipeline.archive.atomic import write_bytes

    yaml = _round_trip()
    params = yaml.load(file.read_text(encoding="utf-8"))
    check_columns(file, params, list(methods))
    section, changes = params["clean"]["missing"], []
    for column, method in methods.items():
        old = section[column]
        if old != method:
            changes.append((f"clean.missing.{column}", _plain(old), method))
            section[column] = _flow(method)
    if changes and not dry_run:
        text = io.StringIO()
        yaml.dump(params, text)
        write_bytes(file, text.getvalue().encode())
    return changes


def check_columns(file: Path, params: Any, columns: list[str]) -> None:
    """Refuse columns that `clean.missing` of the params does not have."""
    from pipeline.errors import PentimentoError

    known = params.get("clean", {}).get("missing", {})
    for column in columns:
        if column not in known:
            raise PentimentoError(
                f"{file} has no key clean.missing.{column}, which --write would set; "
                f"there are: {', '.join(known)}"
            )


def _round_trip() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    null = "tag:yaml.org,2002:null"
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(null, "null"))
    return yaml


def _flow(method: Any) -> Any:
    """A mapping on one line, so that the comment behind it stays behind it."""
    if not isinstance(method, Mapping):
        return method
    from ruamel.yaml.comments import CommentedMap

    line = CommentedMap(method)
    line.fa.set_flow_style()
    return line


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
