"""The files of the user's own models as dependencies in dvc.yaml, so that DVC notices a replaced one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.params import read_params

_MARK = "  # restore.models"  # ends the lines that are written here


def own_models(root: Path) -> list[str]:
    """The paths behind `restore.models` in params.yaml, as they stand there, sorted."""
    models: dict[str, Any] = read_params(root / paths.PARAMS).get("restore", {}).get("models") or {}
    return sorted(
        {str(model["path"]) for model in models.values() if isinstance(model, dict) and "path" in model}
    )


def write_own_models(dag: Path, files: Iterable[str]) -> bool:
    """Make these files the deps of restore that this function has written; whether anything changed."""
    text = dag.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.endswith(_MARK)]
    first = lines.index("    deps:", lines.index("  restore:")) + 1
    lines[first:first] = [f"      - {json.dumps(file)}{_MARK}" for file in files]
    fresh = "\n".join(lines) + "\n"
    if fresh != text:
        dag.write_text(fresh, encoding="utf-8")
    return fresh != text
