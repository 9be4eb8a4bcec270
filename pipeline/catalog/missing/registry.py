"""Every method by its name, as params.yaml and the command line write it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from pipeline.catalog.missing.spec import METHODS, Spec
from pipeline.discovery import import_all
from pipeline.errors import PentimentoError

import_all("pipeline.catalog.missing.methods")


def _expand(written: Any) -> Any:
    """`regress:forest` as {method: regress, model: forest}; anything else as it is."""
    if not isinstance(written, str):
        return written
    name, _, variant = written.partition(":")
    model = METHODS.get(name)
    if model is None or (variant and model.variant is None):
        near = difflib.get_close_matches(written, names(), n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ValueError(f"there is no such method; {hint}There are: {', '.join(names())}")
    return {"method": name, **({str(model.variant): variant} if variant else {})}


if TYPE_CHECKING:
    Method = Spec
else:
    Method = Annotated[
        Annotated[reduce(or_, METHODS.values()), Field(discriminator="method")], BeforeValidator(_expand)
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
    try:
        return _ADAPTER.validate_python(dict(written) if isinstance(written, Mapping) else written)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors(include_url=False)]
        raise PentimentoError(f"the method {written!r}: {'; '.join(faults)}") from None


def names(*, completing: bool = False) -> list[str]:
    """Every method that needs no further keys, each with its variants; or only those that complete gaps."""
    found: list[str] = []
    for name, model in METHODS.items():
        if completing and not model.completes:
            continue
        if model.variant is None:
            found.append(name)
            continue
        variants = get_args(model.model_fields[model.variant].annotation)
        found += [f"{name}:{one}" for one in variants if one not in ("auto", "constant")]
    return found


def shortest(spec: Spec) -> Any:
    """The shortest form of a method in params: its name, or a mapping of what differs from the defaults."""
    changed = spec.model_dump(mode="json", exclude_defaults=True)
    if not changed.keys() - {spec.variant}:
        return spec.name
    return {"method": spec.method} | changed


def label(spec: Spec) -> str:
    """A method in a report: its name, and what differs from its defaults."""
    changed = spec.model_dump(mode="json", exclude_defaults=True)
    return " ".join([spec.name, *(f"{key}={value}" for key, value in changed.items() if key != spec.variant)])


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"][1:])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
