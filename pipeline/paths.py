"""Every path and file name that several modules share, once.

Paths of the project are relative to its root, which holds dvc.yaml and params.yaml.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import PentimentoError

DAG = Path("dvc.yaml")
PARAMS = Path("params.yaml")
PROFILES = Path("profiles")  # overlays of params.yaml

INVENTORY = Path("data/inventory.parquet")
CATALOG = Path("data/catalog.parquet")
FEATURES = Path("data/features.parquet")
SUSPECTS = Path("data/suspects.parquet")
DATA_REPORT = Path("reports/data.html")
WORKS = Path("data/works.parquet")
QUARANTINE = Path("data/quarantine.parquet")
CONFLICTS = Path("data/conflicts.parquet")  # where several sources contradict each other
GROUPS = Path("data/groups.parquet")
PREPARED = Path("data/prepared")
DAMAGED = Path("data/damaged")
RESTORED = Path("data/restored")
GENERATED = Path("data/generated")

PRETRAINED = Path("pretrained")  # start weights of ours, in git

MODELS = Path("models")
CLASSIFIER = MODELS / "classifier"
RESTORER = MODELS / "restorer"
GENERATOR = MODELS / "generator"
METHODS = MODELS / "methods.json"  # the best filling of each kind of damage, as evaluate_restorer measured it
STEPS = MODELS / "steps.json"  # the best method of every other step, as evaluate_steps measured it

# A saved model is a folder with these two files.
WEIGHTS = "weights.safetensors"
CARD = "card.json"

# The state folder (environment.state_dir): what makes a run resumable; never part of a result.
STATE = Path(".state")
LEDGER = Path("ledger.sqlite")
PACKS = Path("packs")
LOGS = Path("logs")
RUN_LOG = LOGS / "runs.jsonl"

# The output folder of `pentimento restore`.
OUTPUT_WORKS = Path("data/works")
OUTPUT_PROOF = Path("data/proof")  # a sidecar for each work
OUTPUT_STATE = Path(".pentimento")  # ledger, journal, lock and run log

REPORTS = Path("reports")
REPORT = REPORTS / "index.html"


def metrics(stage: str) -> Path:
    """Where a stage's metrics lie: a JSON file that `dvc metrics` reads."""
    return REPORTS / "metrics" / f"{stage}.json"


def provenance(stage: str) -> Path:
    """Where it is written down what made a stage's outputs."""
    return REPORTS / "provenance" / f"{stage}.json"


def plots(stage: str) -> Path:
    """The folder of a stage's plots: CSV files that `dvc plots` reads, and pictures."""
    return REPORTS / "plots" / stage


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` that holds dvc.yaml and params.yaml."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / DAG).is_file() and (folder / PARAMS).is_file():
            return folder
    raise PentimentoError(
        f"no Pentimento project at or above {start}: dvc.yaml and params.yaml are missing; "
        "change into the clone and run the command again"
    )
