"""From what a person asks to a request: the section `restore` of params.yaml, with what was overridden."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline import paths
from pipeline.errors import PentimentoError
from pipeline.params import load_params
from pipeline.restoration.request import Request
from pipeline.restoration.settings import Settings


def build_request(
    src: str | Path,
    out: str | Path,
    *,
    masks: str | Path | None = None,
    detect: str | None = None,
    jpeg_output: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    limit: int | None = None,
    methods: str | Path | None = None,
    prune: bool = False,
) -> Request:
    """A request with the project's settings; `detect` is 'none' where masks are given, if not said.

    Raises:
        PentimentoError: when a value is not allowed, or no project is found.
    """
    root = project()
    settings = load_params(root / paths.PARAMS, "restore", Settings)
    detect = detect or settings.detect
    if detect == "auto":
        detect = "classical" if masks is None else "none"
    changes = {"detect": detect, "jpeg_output": jpeg_output or settings.jpeg_output}
    allowed = {"detect": ("none", "classical"), "jpeg_output": ("jpeg", "tiff")}
    for name, value in changes.items():
        if value not in allowed[name]:
            known = ", ".join(allowed[name])
            raise PentimentoError(f"--{name.replace('_', '-')} is '{value}'; allowed are: {known}")
    return Request(
        source=Path(src),
        out=Path(out),
        settings=settings.model_copy(update=changes),
        methods=Path(methods) if methods else root / settings.methods,
        model=root / settings.model,
        masks=Path(masks) if masks else None,
        include=tuple(include),
        exclude=tuple(exclude),
        limit=limit,
        prune=prune,
    )


def project() -> Path:
    """The project around the working directory, else the one that this code lies in."""
    try:
        return paths.project_root()
    except PentimentoError:
        return paths.project_root(Path(__file__).resolve().parent)
