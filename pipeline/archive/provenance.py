"""Provenance: what made a file, from what, with which parameters, model and code."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import paths


def describe(
    stage: str,
    params: dict[str, Any],
    code: str,
    inputs: dict[str, str],
    outputs: dict[str, str],
    libraries: Mapping[str, str],
) -> dict[str, Any]:
    """The provenance record of one stage; it holds no time and no host, so equal runs write equal bytes.

    Args:
        stage: its name.
        params: its section of params.yaml.
        code: the meaning of its code, as SHA-256.
        inputs, outputs: path -> SHA-256.
        libraries: distribution -> version, as `meaning.libraries` gives them.
    """
    return {
        "stage": stage,
        "params": params,
        "code_sha256": code,
        "inputs_sha256": inputs,
        "outputs_sha256": outputs,
        "software": software(libraries),
    }


def software(libraries: Mapping[str, str]) -> dict[str, str]:
    """The versions that a result may depend on: of Pentimento, of Python and of libraries."""
    return {"pentimento": version("pentimento"), "python": platform.python_version(), **libraries}


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
