"""Every method by its name, as it is written in params.yaml and on the command line.

A new family is a file with a subclass of `Spec`, and its line in `Method`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from pipeline.catalog.missing.fill import Fill
from pipeline.catalog.missing.interpolate import Interpolate
from pipeline.catalog.missing.iterative import Iterative
from pipeline.catalog.missing.leave import Drop, Leave
from pipeline.catalog.missing.nearest import Nearest
from pipeline.catalog.missing.picture import Picture
from pipeline.catalog.missing.regress import Regress
from pipeline.catalog.missing.task import Spec
from pipeline.errors import PentimentoError

_FAMILIES: tuple[type[Spec], ...] = (Leave, Drop, Fill, Interpolate, Regress, Nearest, Iterative, Picture)


def _long(written: Any) -> Any:
    """`regress:forest` as {method: regress, model: forest}."""
    if not isinstance(written, str):
        return written
    method, _, variant = written.partition(":")
    family = _family(method)
    if family is None or (variant and family.variant is None):
        near = difflib.get_close_matches(written, names(), n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ValueError(f"there is no such method; {hint}There are: {', '.join(names())}")
    return {"method": method, **({str(family.variant): variant} if variant else {})}


Method = Annotated[
    Annotated[
        Leave | Drop | Fill | Interpolate | Regress | Nearest | Iterative | Picture,
        Field(discriminator="method"),
    ],
    BeforeValidator(_long),
]
"""A method in params: its name (`nearest`, `regress:forest`), or a mapping of `method` and its keys."""

_ADAPTER: TypeAdapter[Spec] = TypeAdapter(Method)


def parse(written: Any) -> Spec:
    """The method that a name, a mapping or a method itself stands for.

    Raises:
        PentimentoError: when there is no such method or key, naming those that there are.
    """
    if isinstance(written, Spec):
        return written
    value = dict(written) if isinstance(written, Mapping) else written
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors(include_url=False)]
        raise PentimentoError(f"the method {written!r}: {'; '.join(faults)}") from None


def names() -> list[str]:
    """Every method that can be named without further keys, each with its variants."""
    found = []
    for family in _FAMILIES:
        method = str(family.model_fields["method"].default)
        if family.variant is None:
            found.append(method)
            continue
        variants = get_args(family.model_fields[family.variant].annotation)
        found += [f"{method}:{one}" for one in variants if one not in ("auto", "constant")]
    return found


def shortest(spec: Spec) -> Any:
    """The shortest that stands for a method in params: its name, or a mapping of what differs."""
    keys = spec.model_dump(mode="json", exclude_defaults=True)
    keys.pop(spec.variant or "", None)
    if not keys:
        return spec.name
    own: dict[str, Any] = {"method": str(type(spec).model_fields["method"].default)}
    return own | spec.model_dump(mode="json", exclude_defaults=True)


def _family(method: str) -> type[Spec] | None:
    return next((one for one in _FAMILIES if one.model_fields["method"].default == method), None)


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"][1:])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def label(spec: Spec) -> str:
    """How a method is shown: its name, and what differs from its defaults."""
    keys = spec.model_dump(mode="json", exclude_defaults=True)
    keys.pop(spec.variant or "", None)
    return " ".join([spec.name, *(f"{key}={value}" for key, value in keys.items())])
