"""DVC's door: `python -m pipeline STAGE` runs one stage.

`reference` prints the page of all parameters; `deps` writes the code that each stage needs into dvc.yaml,
and the files behind `restore.models`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import sys

from pipeline import paths, stages
from pipeline.errors import PentimentoError, explain_machine
from pipeline.stage import run_stage


def main() -> int:
    """Run one stage of the project that encloses the working directory; 0 when it succeeded."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    parser.add_argument("stage", choices=[*stages.names(), "reference", "deps"], metavar="STAGE")
    parser.add_argument("--json", action="store_true", help="print the stage's metrics as JSON")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        if arguments.stage == "reference":
            from pipeline.reference import params_page

            print(params_page(paths.project_root()), end="")  # noqa: T201
            return 0
        if arguments.stage == "deps":
            from pipeline.dag import own_models, write_own_models
            from pipeline.imports import write_deps

            root = paths.project_root()
            changed = write_deps(root / paths.DAG, stages.names())
            changed |= write_own_models(root / paths.DAG, own_models(root))
            print("dvc.yaml was changed" if changed else "dvc.yaml is up to date")  # noqa: T201
            return 0
        metrics = run_stage(stages.load(arguments.stage), paths.project_root())
        if arguments.json:
            print(json.dumps(metrics, indent=1))  # noqa: T201
    except (PentimentoError, OSError, sqlite3.Error) as error:
        reason = explain_machine(error) if isinstance(error, OSError) else str(error)
        print(f"error: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
