"""Fill the templates of this folder, with all values escaped, and format figures as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def fill(template: str, **values: Any) -> str:
    """Fill a template of this folder; values that are not Markup are escaped, a missing value is an error."""
    environment = Environment(
        loader=PackageLoader("pipeline.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "dotted": dotted}
    return environment.get_template(template).render(**values)


def figure(value: Any) -> str:
    """A number as text; an interval as 'value [low, high]'."""
    if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
        return f"{value['value']:.4g} [{value['low']:.4g}, {value['high']:.4g}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(entry) for entry in value) or "none"
    return str(value)


def dotted(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested metrics as (dotted name, figure) pairs; intervals stay whole."""
    if isinstance(value, Mapping) and not {"value", "low", "high"} <= set(value):
        return [pair for key, inner in value.items() for pair in dotted(inner, f"{prefix}.{key}".strip("."))]
    return [(prefix, figure(value))]
