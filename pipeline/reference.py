"""The reference page of all parameters, made from params.yaml's comments and the stages' types."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Any

from pipeline import paths, stages
from pipeline.params import known_keys, read_params

_KEY = re.compile(r"^(?P<indent> *)(?:- )?(?P<key>[a-z_0-9]+):(?P<rest>.*)$")

_LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >="}


def params_page(root: Path) -> str:
    """The page as Markdown: per stage, each key with its value, its allowed values and its meaning."""
    values, comments = read_params(root / paths.PARAMS), key_comments(root / paths.PARAMS)
    lines = [
        "# Parameters",
        "",
        "Everything that a result depends on is in `params.yaml`, one section per stage; an unknown key is",
        "an error. This page is made from that file and from the stages' types by `make docs`.",
    ]
    for name in values:
        stage = stages.load(name)
        lines += ["", f"## {name}", "", f"{(stage.params.__doc__ or '').strip()}", ""]
        lines += ["| key | value | allowed | what it is |", "| --- | --- | --- | --- |"]
        for key, field in known_keys(stage.params).items():
            value = _at(values[name], key)
            shown = f"`{value}`" if not isinstance(value, (list, dict)) else "(a list)"
            lines.append(f"| {key} | {shown} | {_allowed(field)} | {comments.get(f'{name}.{key}', '')} |")
    return "\n".join(lines) + "\n"


def key_comments(path: Path) -> dict[str, str]:
    """The comment behind each key of a params file, by dotted key."""
    comments: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not (match := _KEY.match(line)):
            continue
        indent = len(match["indent"])
        stack = [(depth, key) for depth, key in stack if depth < indent] + [(indent, match["key"])]
        if " # " in match["rest"] or match["rest"].startswith("# "):
            dotted = ".".join(key for _, key in stack)
            comments.setdefault(dotted, match["rest"].split("# ", 1)[1].strip().replace("|", "\\|"))
    return comments


def _at(values: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        values = values[part]
    return values


def _allowed(field: Any) -> str:
    limits = []
    for limit in field.metadata:
        for name, sign in _LIMITS.items():
            if hasattr(limit, name):
                limits.append(f"{sign} {getattr(limit, name)}")
    return ", ".join([_kind(field.annotation), *limits]).replace("|", "\\|")


def _kind(kind: Any) -> str:
    """A type in the words of a params file."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is typing.Annotated:
        return _kind(inner[0])
    if origin is tuple:
        return "list of [sources](archive.md)" if "Spec" in str(inner) else f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"{_kind(inner[0])}: {_kind(inner[1])}"
    if inner:
        methods = all(hasattr(one, "variant") for one in inner)  # ways to complete a gap
        return "[a method](data.md#gaps)" if methods else " or ".join(_kind(one) for one in inner)
    return "null" if kind is type(None) else str(getattr(kind, "__name__", kind))
