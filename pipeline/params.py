"""A strict, typed view of params.yaml: one section per stage, an unknown key is an error."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from pipeline.errors import PentimentoError


class StageParams(BaseModel):
    """Base of every stage's parameters, and of the groups inside them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    renamed: ClassVar[Mapping[str, str]] = {}  # keys of earlier versions, and the keys that replace them
    base: ClassVar[Any] = None  # of a model that `with_sections` made: the model that it was made from

    @classmethod
    def current(cls) -> type[Self]:
        """The model that a params file is checked against; see `with_sections`."""
        return cls


P = TypeVar("P", bound=StageParams)


def read_params(path: Path) -> dict[str, Any]:
    """All sections of a params file as plain values (YAML 1.2, as DVC reads it; duplicate keys refused)."""
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PentimentoError(f"{path} is missing; run the command from the project's folder") from None
    except (UnicodeError, ReaderError):
        raise PentimentoError(f"{path} is not valid UTF-8 text") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise PentimentoError(f"{path}, line {line}: not valid YAML: {error.problem}") from None
    if not isinstance(values, dict):
        raise PentimentoError(f"{path} must hold one section per stage")
    return values


def load_params(path: Path, section: str, model: type[P]) -> P:
    """The section of one stage, checked against its model.

    Raises:
        PentimentoError: naming each wrong key with the nearest right one, each wrong type or range
            with what is allowed.
    """
    values = read_params(path)
    if section not in values:
        raise PentimentoError(f"{path}: section '{section}' is missing{nearest(section, values)}")
    return check_params(values[section], section, model, str(path))


def check_params(values: Any, section: str, model: type[P], where: str) -> P:
    """The values of one section, checked against its model.

    Args:
        values: as read from YAML.
        section: its name, for messages.
        model: its typed fields.
        where: the file, for messages.

    Raises:
        PentimentoError: see load_params.
    """
    model = model.current()
    try:
        return model.model_validate_json(to_json(values))
    except ValidationError as error:
        found = error.errors(include_url=False)
        # pydantic also reports a list as too short when its items are wrong: that is no second error.
        faults = [one for one in found if one["type"] != "too_short"] or found
        problems = "; ".join(_explain(section, model, problem) for problem in faults)
        raise PentimentoError(f"{where}: {problems}") from None


def known_keys(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every key of a model, dotted, with its field; groups are entered, lists and maps are not."""
    keys: dict[str, Any] = {}
    if issubclass(model, StageParams):
        model = model.current()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= known_keys(kind, f"{prefix}{name}.")
        else:
            keys[prefix + name] = field
    return keys


def with_sections(base: type[P], key: str, sections: Mapping[str, type[StageParams]]) -> type[P]:
    """A model whose `key` names one of several classes, with a section for the parameters of each.

    A class without parameters has no section. Where all parameters of a class have a default, its
    section may be left out.
    """
    return _with_sections(base.base or base, key, tuple(sections.items()))


@cache
def _with_sections(base: type[P], key: str, sections: tuple[tuple[str, type[StageParams]], ...]) -> type[P]:
    fields: dict[str, Any] = {key: (Literal[tuple(name for name, _ in sections)], ...)}
    for name, model in sections:
        if name in base.model_fields:
            raise PentimentoError(f"a {key} cannot be called '{name}': that is a key of its own")
        if model.model_fields:
            required = any(field.is_required() for field in model.model_fields.values())
            fields[name] = (model, ... if required else model())
    made = create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields)
    made.base = base
    return made


def to_json(value: Any) -> str:
    """Values read from YAML as JSON, from which a strict model takes them."""
    import json

    # JSON mode keeps strictness (no "3" for 3) while letting a YAML list fill a tuple or a Path.
    return json.dumps(value, default=str)


def _explain(section: str, model: type[StageParams], problem: Any) -> str:
    where = ".".join([section, *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        if new := model.renamed.get(".".join(str(part) for part in problem["loc"])):
            return f"unknown key '{where}': it is now '{section}.{new}'"
        known = [f"{section}.{key}" for key in known_keys(model)]
        return f"unknown key '{where}'{nearest(where, known)}"
    if problem["type"] == "unknown_key":  # of an entry of a list, which knows its own keys
        return f"unknown key '{where}'{problem['ctx']['hint']}"
    if problem["type"] == "missing":
        return f"'{where}' is missing"
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"'{where}' is {problem['input']!r}: {message}"


def nearest(name: str, known: Any) -> str:
    """The hint that names the nearest of the known names; nothing when none is near."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; did you mean '{match[0]}'?" if match else ""
