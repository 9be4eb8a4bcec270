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
WORKS = Path("data/works.parquet")
QUARANTINE = Path("data/quarantine.parquet")
CONFLICTS = Path("data/conflicts.parquet")  # where several sources contradict each other
GROUPS = Path("data/groups.parquet")
PREPARED = Path("data/prepared")
DAMAGED = Path("data/damaged")
RESTORED = Path("data/restored")
GENERATED = Path("data/generated")

CLASSES = "classes.json"  # in PREPARED: the names of the schools and tags to learn
MANIFEST = "manifest.csv"  # in DAMAGED: a row per work
DAMAGED_WORKS, DAMAGED_MASKS, DAMAGED_TRUTH = "works", "masks", "truth"  # folders in DAMAGED

PRETRAINED = Path("pretrained")  # start weights of ours, in git

MODELS = Path("models")
CLASSIFIER = MODELS / "classifier"
RESTORER = MODELS / "restorer"
GENERATOR = MODELS / "generator"
METHODS = MODELS / "methods.json"  # the best filler for each kind of damage, by evaluate_restorer
STEPS = MODELS / "steps.json"  # the best method of every other step, by evaluate_steps

# A saved model is a folder with these two files.
WEIGHTS = "weights.safetensors"
CARD = "card.json"

# The state folder (environment.state_dir): what makes a run resumable; never part of a result.
STATE = Path(".state")
LEDGER = Path("ledger.sqlite")
PACKS = Path("packs")
CHECKPOINTS = Path("checkpoints")
ENGINES = Path("engines")  # networks of ours as ONNX models
KNOWN = Path("catalog/known.parquet")  # every work that a source ever listed
RESTORED_WORKS = Path("restored")  # of the stage restore, kept for its next run
LAST_DATA = Path("last-data")  # what the last run of the flow learnt from
LOGS = Path("logs")
RUN_LOG = LOGS / "runs.jsonl"

# The output folder of `pentimento restore`.
OUTPUT_WORKS = Path("data/works")
OUTPUT_PROOF = Path("data/proof")  # a sidecar for each work
OUTPUT_STATE = Path(".pentimento")  # ledger, journal, lock and run log

REPORTS = Path("reports")
REPORT = REPORTS / "index.html"
DATA_REPORT = REPORTS / "data.html"
IMPUTE_REPORT = REPORTS / "impute-report.html"
METRICS = REPORTS / "metrics"
PROVENANCE = REPORTS / "provenance"
PLOTS = REPORTS / "plots"

# Files in a stage's folder of plots that the report shows.
HISTORY = "history.csv"  # of every training: a row per epoch
BALANCE = "balance.csv"  # prepare: a row per school
AUGMENTATION = "augmentation.webp"  # prepare
PER_CLASS = "per_class.csv"  # evaluate_classifier: a row per class and set of works
TAIL = "tail.csv"  # evaluate_classifier: a row per school
BY_KIND = "by_kind.csv"  # evaluate_restorer, evaluate_steps: a row per kind of damage and method
DAMAGE_SHEET = "damage.png"  # train_restorer
ENHANCED = "enhanced.png"  # evaluate_steps
BY_WORK = "by_work.csv"  # restore: a row per work
NEIGHBOURS = "neighbours.png"  # evaluate_generator


def metrics(stage: str) -> Path:
    """Where a stage's metrics lie: a JSON file that `dvc metrics` reads."""
    return METRICS / f"{stage}.json"


def provenance(stage: str) -> Path:
    """The record of what made a stage's outputs."""
    return PROVENANCE / f"{stage}.json"


def plots(stage: str) -> Path:
    """The folder of a stage's plots: CSV files that `dvc plots` reads, and pictures."""
    return PLOTS / stage


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
