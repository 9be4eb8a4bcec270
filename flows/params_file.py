"""params.yaml changed by a program: comments and other values stay; it is written wholly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.archive.atomic import write_bytes
from pipeline.errors import PentimentoError

Change = tuple[str, Any, Any]  # dotted key, old value, new value


def overlay(file: Path, values: Mapping[str, Any], *, dry_run: bool) -> list[Change]:
    """Write a tree of values over the file's, and return what changes.

    Args:
        file: params.yaml.
        values: sections of keys, as read from a profile; lists are replaced as a whole.
        dry_run: only say what would change.

    Raises:
        PentimentoError: when the file lacks one of the keys; nothing is written then.
    """
    return _rewrite(file, lambda params: _laid_over(params, values), dry_run)


def set_missing(file: Path, methods: Mapping[str, Any], *, dry_run: bool) -> list[Change]:
    """Write methods into `clean.missing`, and return what changes.

    Args:
        file: params.yaml.
        methods: column -> a method, as a name or a mapping.
        dry_run: only say what would change.

    Raises:
        PentimentoError: when the file has no such key; nothing is written then.
    """

    def change(params: Any) -> list[Change]:
        check_columns(file, params, list(methods))
        section, changes = params["clean"]["missing"], []
        for column, method in methods.items():
            if section[column] != method:
                changes.append((f"clean.missing.{column}", _plain(section[column]), method))
                section[column] = _flow(method)
        return changes

    return _rewrite(file, change, dry_run)


def check_columns(file: Path, params: Any, columns: list[str]) -> None:
    """Refuse columns that `clean.missing` of the params does not have."""
    known = params.get("clean", {}).get("missing", {})
    for column in columns:
        if column not in known:
            raise PentimentoError(
                f"{file} has no key clean.missing.{column}, which --write would set; "
                f"there are: {', '.join(known)}"
            )


def _rewrite(file: Path, change: Callable[[Any], list[Change]], dry_run: bool) -> list[Change]:
    """Change what is in the file, and write it when anything did change."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 200
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    null = "tag:yaml.org,2002:null"
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(null, "null"))
    params = yaml.load(file.read_text(encoding="utf-8"))
    changes = change(params)
    if changes and not dry_run:
        text = io.StringIO()
        yaml.dump(params, text)
        write_bytes(file, text.getvalue().encode())
    return changes


def _laid_over(target: Any, values: Mapping[str, Any], prefix: str = "") -> list[Change]:
    """Set the values in place, and return those that differed."""
    changes: list[Change] = []
    for key, value in values.items():
        if key not in target:
            raise PentimentoError(f"the profile sets '{prefix}{key}', which params.yaml does not have")
        if isinstance(value, Mapping):
            changes += _laid_over(target[key], value, f"{prefix}{key}.")
        elif target[key] != value:
            changes.append((f"{prefix}{key}", _plain(target[key]), value))
            if isinstance(value, list):
                target[key][:] = value  # in place, so that it is still written on one line
            else:
                target[key] = value
    return changes


def _flow(method: Any) -> Any:
    """A mapping on one line, so that the comment behind it stays behind it."""
    if not isinstance(method, Mapping):
        return method
    from ruamel.yaml.comments import CommentedMap

    line = CommentedMap(method)
    line.fa.set_flow_style()
    return line


def _plain(value: Any) -> Any:
    """A copy that later changes of the file's tree do not change."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list) else value
