"""Provenance: what made a file, from what, with which parameters, model and code."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import paths
from pipeline.archive.fixity import tree_sha256, value_sha256
from pipeline.errors import PentimentoError

LIBRARIES = (
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pyvips",
    "scikit-image",
    "scikit-learn",
    "torch",
)


def code_version(root: Path, stage: str) -> str:
    """The SHA-256 of the code that dvc.yaml lists as this stage's dependencies."""
    dag = YAML(typ="safe").load((root / paths.DAG).read_text(encoding="utf-8"))
    try:
        deps = dag["stages"][stage]["deps"]
    except KeyError:
        raise PentimentoError(f"dvc.yaml has no stage '{stage}' with deps") from None
    code = [dep for dep in deps if dep.startswith("pipeline/")]
    # The code may lie elsewhere than the data (an installed package): it is found by its import.
    home = Path(__file__).resolve().parents[2]
    return value_sha256([(dep, tree_sha256(home / dep)) for dep in sorted(code)])


def describe(
    stage: str, params: dict[str, Any], code: str, inputs: dict[str, str], outputs: dict[str, str]
) -> dict[str, Any]:
    """The provenance record of one stage; it holds no time and no host, so equal runs give equal bytes."""
    return {
        "stage": stage,
        "params": params,
        "code_sha256": code,
        "inputs_sha256": inputs,
        "outputs_sha256": outputs,
        "software": software(),
    }


def software() -> dict[str, str]:
    """The versions that a result may depend on."""
    return {"pentimento": version("pentimento"), "python": platform.python_version()} | {
        name: version(name) for name in LIBRARIES
    }


def log_run(state: Path, stage: str, started: float) -> None:
    """Append one line (stage, start, seconds, process) to the run log, which is never part of a result."""
    line = {
        "stage": stage,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 2),
        "pid": os.getpid(),
    }
    log = state / paths.RUN_LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")
