"""Change values in params.yaml; comments and other values stay. The write is atomic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import stages
from pipeline.archive.atomic import write_bytes
from pipeline.errors import PentimentoError
from pipeline.params import check_params

Change = tuple[str, Any, Any]  # dotted key, old value, new value


def overlay(file: Path, values: Mapping[str, Any], *, dry_run: bool) -> list[Change]:
    """Merge a tree of values, as read from a profile, into params.yaml; see set_values."""
    return set_values(file, dict(_leaves(values)), dry_run=dry_run)


def set_values(file: Path, values: Mapping[str, Any], *, dry_run: bool) -> list[Change]:
    """Set values in params.yaml, and return what changes.

    Args:
        file: params.yaml.
        values: dotted key -> value; a list or a mapping replaces the old value.
        dry_run: only say what would change.

    Raises:
        PentimentoError: when the changed sections do not fit their stages' models; nothing is written then.
    """
    import io

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 200
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    null = "tag:yaml.org,2002:null"
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(null, "null"))
    params = yaml.load(file.read_text(encoding="utf-8"))
    changes = [change for key, value in values.items() for change in _set(params, key, value)]
    for section in dict.fromkeys(key.split(".")[0] for key in values):
        if section not in stages.names():
            raise PentimentoError(f"{file}: section '{section}' belongs to no stage")
        check_params(params[section], section, stages.load(section).params, str(file))
    if changes and not dry_run:
        text = io.StringIO()
        yaml.dump(params, text)
        write_bytes(file, text.getvalue().encode())
    return changes


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _set(params: Any, dotted: str, value: Any) -> Iterator[Change]:
    """Set one value in the file's tree; yields the change unless the value is there already."""
    *groups, key = dotted.split(".")
    for group in groups:
        if not isinstance(params.get(group), Mapping):
            params[group] = {}
        params = params[group]
    old = params.get(key)
    if key in params and old == value:
        return
    yield dotted, _plain(old), value
    if isinstance(old, list) and isinstance(value, list):
        old[:] = value  # in place, so it is still written on one line
    else:
        params[key] = _flow(value)


def _flow(value: Any) -> Any:
    """A mapping on one line, so that the comment behind it stays behind it."""
    if not isinstance(value, Mapping):
        return value
    from ruamel.yaml.comments import CommentedMap

    line = CommentedMap(value)
    line.fa.set_flow_style()
    return line


def _plain(value: Any) -> Any:
    """A copy that later changes of the file's tree do not change."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list) else value
