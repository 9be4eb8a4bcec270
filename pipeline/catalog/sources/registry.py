"""The registry of all kinds of sources, and an entry of `inventory.sources` checked by its kind."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipeline.catalog.sources.base import SourceSpec
from pipeline.discovery import Registry, import_all
from pipeline.params import known_keys, nearest, to_json

SOURCES: Registry[SourceSpec] = Registry(
    "kind of source", "pentimento.sources", lambda: import_all("pipeline.catalog.sources.kinds")
)


def _checked(written: Any) -> SourceSpec:
    if isinstance(written, SourceSpec):
        return written
    if not isinstance(written, dict):
        raise PydanticCustomError("source", "a source is a mapping with a kind and a location")
    kind, known = written.get("kind"), SOURCES.classes()
    if not isinstance(kind, str) or kind not in known:
        reason = SOURCES.unknown(kind) if "kind" in written else f"a source has a kind: {', '.join(known)}"
        raise PydanticCustomError("source", "{reason}", {"reason": reason})
    try:
        return known[kind].model_validate_json(to_json(written))
    except ValidationError as error:
        raise _named(error, known[kind]) from None


AnySpec = Annotated[SerializeAsAny[SourceSpec], PlainValidator(_checked)]
"""A source in params: the parameters of its kind, which are checked when the params are read."""


def _named(error: ValidationError, spec: type[SourceSpec]) -> ValidationError:
    """The same faults; an unknown key is named with the nearest key of the kind."""
    details = []
    for fault in error.errors(include_url=False):
        kind: Any = fault["type"]
        if kind == "extra_forbidden":
            hint = nearest(".".join(str(part) for part in fault["loc"]), known_keys(spec))
            kind = PydanticCustomError("unknown_key", "unknown key{hint}", {"hint": hint})
        elif kind == "value_error":
            kind = PydanticCustomError("value", "{reason}", {"reason": str(fault["ctx"]["error"])})
        details.append(
            InitErrorDetails(type=kind, loc=fault["loc"], input=fault["input"], ctx=fault.get("ctx", {}))
        )
    return ValidationError.from_exception_data(spec.__name__, details)
