"""The shape of all stages: their declaration, their context and how they run."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline import environment, paths
from pipeline.archive.atomic import sweep, write_json
from pipeline.archive.fixity import tree_sha256, value_sha256
from pipeline.archive.ledger import Entry, Ledger
from pipeline.archive.provenance import describe, log_run
from pipeline.errors import ItemError, PentimentoError
from pipeline.meaning import libraries, meaning_of
from pipeline.params import StageParams, load_params
from pipeline.progress import track

P = TypeVar("P", bound=StageParams)
T = TypeVar("T")

Files = Mapping[str, Path]  # name -> path, absolute
Metrics = dict[str, Any]  # numbers and short texts, nested; what `dvc metrics` shows

_BATCH = 64  # items computed between two commits of the ledger


@dataclass(frozen=True)
class Stage(Generic[P]):
    """A stage: its name in dvc.yaml and params.yaml, its parameters, its function, its files.

    `inputs` and `outputs` are relative to the project; dvc.yaml lists the same ones. Metrics and
    provenance are written by `run_stage` and are not named here.
    """

    name: str
    params: type[P]
    run: Callable[[P, Files, Files, Context], Metrics]
    inputs: Files = field(default_factory=dict)
    outputs: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a stage may use beside its parameters and files.

    `code` is the meaning of the stage's code (see meaning.py); `fingerprint` stands for its parameters and
    code: it is part of the checkpoint folder's name, so that a training of other settings is never
    mistaken for this one.
    """

    stage: str
    root: Path
    code: str
    fingerprint: str
    inputs_sha256: str = ""

    @property
    def state(self) -> Path:
        """The state folder: ledgers, checkpoints, logs; never part of a result."""
        return environment.state_dir(self.root)

    @property
    def checkpoints(self) -> Path:
        """The folder of this stage's checkpoints for just these parameters, code and inputs."""
        return self.state / paths.CHECKPOINTS / self.stage / f"{self.fingerprint}-{self.inputs_sha256[:16]}"

    @cached_property
    def log(self) -> logging.Logger:
        """The stage's logger."""
        return logging.getLogger(f"pentimento.{self.stage}")

    def map(
        self,
        work: Callable[[T], Any],
        items: Mapping[str, T],
        label: str,
        *,
        depends_on: Mapping[str, Any],
        flush: Callable[[], None] = lambda: None,
        valid: Callable[[Any], bool] = lambda value: True,
        workers: int | None = None,
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Do `work` once per item: known results and failures come from the ledger.

        A result is known by its key, `depends_on` and the meaning of the module that defines `work`. A
        function in a small module is therefore done again more rarely than one in the stage's file.

        Args:
            work: item -> JSON-serialisable result; raises ItemError when the item is bad. It runs in
                threads. A partial passes on what is the same for all items.
            items: key -> item. The key names everything of the item that the result depends on:
                normally the content's SHA-256.
            label: what the progress bar says.
            depends_on: the parameters that a result depends on. A change of others costs nothing.
            flush: called before results are recorded, to flush what `work` has written elsewhere.
            valid: whether a result that is known still stands; else its item is done again.
            workers: threads; 1 for work that must not run side by side. Default: PENTIMENTO_WORKERS.

        Returns:
            Results and reasons of failure, both by key, in the order of `items`.
        """
        space = value_sha256([label, dict(depends_on), meaning_of(work)])[:16]
        with Ledger(self.state / paths.LEDGER, f"{self.stage}:{space}") as ledger:
            found = {
                key: entry for key, entry in ledger.get(items).items() if entry.error or valid(entry.value)
            }
            todo = [key for key in items if key not in found]
            if found and todo:
                self.log.info("%s: %d of %d to do, the others are known", label, len(todo), len(items))
            batches = [todo[start : start + _BATCH] for start in range(0, len(todo), _BATCH)]
            with ThreadPoolExecutor(workers or environment.workers()) as pool:
                for batch in track(batches, label):
                    entries = pool.map(lambda key: _attempt(work, items[key]), batch)
                    fresh = dict(zip(batch, entries, strict=True))
                    flush()
                    ledger.put(fresh)
                    found |= fresh
        results = {key: found[key].value for key in items if found[key].error is None}
        failures = {key: found[key].error or "" for key in items if found[key].error is not None}
        return results, failures


def run_stage(stage: Stage[Any], root: Path) -> Metrics:
    """Run one stage in the project at `root`: check, run, then write metrics and provenance.

    Raises:
        PentimentoError: when a parameter, an input or the stage's result is not as it must be.
    """
    started = time.time()
    params = load_params(root / paths.PARAMS, stage.name, stage.params)
    inputs = {name: root / path for name, path in stage.inputs.items()}
    outputs = {name: root / path for name, path in stage.outputs.items()}
    for name, path in inputs.items():
        if not path.exists():
            raise PentimentoError(
                f"{stage.name}: input '{name}' is missing: {path.relative_to(root)}; "
                "`dvc repro` runs the stages that make it"
            )
    hashes = {stage.inputs[name].as_posix(): tree_sha256(path) for name, path in inputs.items()}
    context = make_context(stage, root, params, hashes)
    for path in (*outputs.values(), root / paths.metrics(stage.name), root / paths.provenance(stage.name)):
        sweep(path.parent, path.name)
    metrics = stage.run(params, inputs, outputs, context)
    missing = [str(stage.outputs[name]) for name, path in outputs.items() if not path.exists()]
    if missing:
        raise PentimentoError(f"{stage.name} did not write {', '.join(missing)}; this is a bug of the stage")
    write_json(root / paths.metrics(stage.name), metrics)
    made = {stage.outputs[name].as_posix(): tree_sha256(path) for name, path in outputs.items()}
    software = libraries(stage.run.__module__)
    record = describe(stage.name, params.model_dump(mode="json"), context.code, hashes, made, software)
    write_json(root / paths.provenance(stage.name), record)
    log_run(context.state, stage.name, started)
    return metrics


def make_context(
    stage: Stage[P], root: Path, params: P, inputs_sha256: Mapping[str, str] | None = None
) -> Context:
    """The context of a stage with these parameters, the code as it is, and these inputs."""
    code = meaning_of(stage.run)
    fingerprint = value_sha256([params.model_dump(mode="json"), code])[:16]
    return Context(stage.name, root, code, fingerprint, value_sha256(sorted((inputs_sha256 or {}).items())))


def _attempt(work: Callable[[T], Any], item: T) -> Entry:
    try:
        return Entry(value=work(item))
    except ItemError as error:
        return Entry(error=str(error) or type(error).__name__)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE):
            raise  # a problem of the machine, not of the item
        return Entry(error=f"{type(error).__name__}: {error.strerror or error}")
