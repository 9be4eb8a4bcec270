"""Data stages that are killed again and again: for test_data_kill.py and benchmarks/kill.py."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import paths, stages
from pipeline.archive.fixity import tree_sha256

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("inventory", "ingest", "features", "clean", "duplicates", "prepare")

# Runs `python -m pipeline STAGE` again and again: it has imported everything and forks. A line that it reads
# is a project, a stage, and seconds after which the run is killed; it answers with exit code and seconds.
_NURSERY = """
import os, signal, sys, time
import albumentations, imagehash, pandas, pyarrow.parquet, pyvips, httpx
from PIL import Image
from pipeline import __main__ as door, stages
for name in ("inventory", "ingest", "features", "clean", "duplicates", "prepare"):
    stages.load(name)
from pipeline.catalog.sources import download
for line in sys.stdin:
    project, stage, delay = line.rstrip().split("\t")
    began = time.monotonic()
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        os.chdir(project)
        sys.argv = ["pipeline", stage]
        code = 99
        try:
            code = door.main()
        finally:
            os._exit(code)
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() - began < float(delay):
        time.sleep(0.0005)
    if not ended[0]:
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(ended[1]), time.monotonic() - began, flush=True)
"""

Run = Callable[[Path, str, float], tuple[int, float]]  # project, stage, seconds -> exit code, seconds


def settle(project: Path, source: dict[str, Any]) -> None:
    """Make a project of its own over a source, sized for few works of a few pixels."""
    (project / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", project / "dvc.yaml")
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["inventory"]["sources"] = [source]
    params["clean"]["min_side"] = 16
    params["prepare"] |= {"side": 64, "split": [0.4, 0.3, 0.3]}  # enough to be held out, of 16 works
    with (project / "params.yaml").open("w", encoding="utf-8") as handle:
        yaml.dump(params, handle)


@contextmanager
def nursery() -> Iterator[Run]:
    """Runs without the seconds that imports take."""
    process = subprocess.Popen(
        [sys.executable, "-c", _NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    out, into = process.stdout, process.stdin

    def run(where: Path, stage: str, delay: float) -> tuple[int, float]:
        into.write(f"{where}\t{stage}\t{delay}\n")
        into.flush()
        code, seconds = out.readline().split()
        return int(code), float(seconds)

    try:
        yield run
    finally:
        process.communicate()  # its input ends


def run_command(where: Path, stage: str, delay: float) -> tuple[int, float]:
    """`python -m pipeline STAGE` as a process, killed after `delay` seconds."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pipeline", stage]
    process = subprocess.Popen(command, cwd=where, env=environment(), stderr=subprocess.DEVNULL)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait(), time.monotonic() - began


def environment() -> dict[str, str]:
    """One thread, no proxy, the state folder inside the project, imports from this clone."""
    kept = {name: value for name, value in os.environ.items() if name != "PENTIMENTO_STATE"}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PENTIMENTO_WORKERS": "2",
        "NO_PROXY": "*",
    }


def outputs(project: Path, stage: str) -> dict[str, str]:
    """The SHA-256 of everything that a stage writes for others."""
    files = [*stages.load(stage).outputs.values(), paths.metrics(stage), paths.provenance(stage)]
    return {str(file): tree_sha256(project / file) for file in files}


def clear(project: Path, stage: str) -> None:
    """Forget a stage: what it has written, and everything that is remembered of any stage."""
    shutil.rmtree(project / ".state", ignore_errors=True)
    for file in stages.load(stage).outputs.values():
        target = project / file
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)


def kill_stage(run: Run, project: Path, stage: str, kills: int, rng: random.Random) -> dict[str, Any]:
    """Run a stage undisturbed, then kill it `kills` times at random moments and let it end.

    A run that ended before its moment is judged like the last one, and forgotten: the next begins anew.

    Returns:
        kills, runs, seconds of the undisturbed run, and which outputs ever differed from those of it.
    """
    code, seconds = run(project, stage, 600)
    assert code == 0, f"{stage} failed undisturbed"
    calm = outputs(project, stage)
    clear(project, stage)
    killed = runs = 0
    differs: set[str] = set()
    while killed < kills:
        code, _ = run(project, stage, rng.uniform(0, seconds))
        runs += 1
        if code == 0:
            differs |= _differing(calm, outputs(project, stage))
            clear(project, stage)
        else:
            assert code == -9, f"{stage} exited with {code}"
            killed += 1
    code, _ = run(project, stage, 600)
    assert code == 0, f"{stage} failed after it was killed"
    differs |= _differing(calm, outputs(project, stage))
    found = {"stage": stage, "kills": killed, "runs": runs + 2, "seconds": round(seconds, 2)}
    return found | {"differs": sorted(differs)}


def _differing(calm: dict[str, str], now: dict[str, str]) -> set[str]:
    return {file for file, sha256 in calm.items() if now[file] != sha256}
