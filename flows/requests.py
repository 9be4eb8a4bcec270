"""From what a person asks to a request: the section `restore` of params.yaml, with what was overridden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import paths
from pipeline.errors import PentimentoError
from pipeline.params import load_params
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.runs.request import Request

_OF_THE_RUN = {"masks", "include", "exclude", "limit", "methods", "prune"}  # fields of a request


def build_request(src: str | Path, out: str | Path, **options: Any) -> Request:
    """A request with the project's settings, section `restore` of params.yaml.

    Args:
        options: by name, see flows.options.restore_options; None leaves a setting as it is. Any other
            setting may be given, too. `detect` is 'none' where masks are given, if not said; without
            `methods` the choice is what was measured here, else what comes with Pentimento.

    Raises:
        PentimentoError: when a value is not allowed, or no project is found.
    """
    root = project()
    settings = load_params(root / paths.PARAMS, "restore", Settings).rooted(root)
    given = {name: value for name, value in options.items() if value not in (None, [], ())}
    own = {name: given.pop(name) for name in _OF_THE_RUN & given.keys()}
    settings = _changed(settings, _chained(given))
    if "masks" in own:
        settings = settings.with_masks()
    paths_of_run = {name: Path(own[name]) for name in ("masks", "methods") if name in own}
    patterns = {name: tuple(own[name]) for name in ("include", "exclude") if name in own}
    own = {"methods": settings.weights.find(paths.METHODS.name)} | own | paths_of_run | patterns
    return Request(source=Path(src), out=Path(out), settings=settings, **own)


def _chained(changes: dict[str, Any]) -> dict[str, Any]:
    """Changes of settings in which `mode` and `steps` do not contradict each other."""
    changes = dict(changes)
    if "steps" in changes:
        if "mode" in changes:
            raise PentimentoError("--mode names a chain of steps, --steps gives one: give only one of them")
        if isinstance(changes["steps"], str):
            changes["steps"] = [name.strip() for name in changes["steps"].split(",")]
    elif "mode" in changes:
        changes["steps"] = []
    return changes


def _changed(settings: Settings, changes: dict[str, Any]) -> Settings:
    try:
        return Settings.model_validate_json(
            settings.model_copy(update=changes).model_dump_json(warnings=False)
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + ".".join(map(str, first["loc"])).replace("_", "-")
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise PentimentoError(f"{option} is {first['input']!r}: {reason}") from None


def project() -> Path:
    """The project around the working directory, else the one that this code lies in."""
    try:
        return paths.project_root()
    except PentimentoError:
        return paths.project_root(Path(__file__).resolve().parent)
