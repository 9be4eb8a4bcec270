"""From what a person asks to a request: the section `restore` of params.yaml, with what was overridden."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import paths
from pipeline.errors import PentimentoError
from pipeline.params import load_params
from pipeline.restoration.methods.settings import Settings
from pipeline.restoration.methods.shelf import METHODS
from pipeline.restoration.runs.request import Request


def build_request(
    src: str | Path,
    out: str | Path,
    *,
    masks: str | Path | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    limit: int | None = None,
    methods: str | Path | None = None,
    prune: bool = False,
    **changes: Any,
) -> Request:
    """A request with the project's settings, section `restore` of params.yaml.

    Args:
        changes: settings that are to be other ones, by name; None leaves a setting as it is. `detect`
            is 'none' where masks are given, if not said.
        methods: which method does what; None: as measured here, else as measured of what comes with
            Pentimento.

    Raises:
        PentimentoError: when a value is not allowed, or no project is found.
    """
    root = project()
    settings = load_params(root / paths.PARAMS, "restore", Settings).rooted(root)
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes.setdefault("detect", settings.detect) == "auto" and masks is not None:
        changes["detect"] = "none"
    return Request(
        source=Path(src),
        out=Path(out),
        settings=_changed(settings, changes),
        methods=Path(methods) if methods else settings.shelf.find(METHODS),
        masks=Path(masks) if masks else None,
        include=tuple(include),
        exclude=tuple(exclude),
        limit=limit,
        prune=prune,
    )


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
