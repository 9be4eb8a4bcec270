"""A large archive with hostile files, killed again and again: nothing may be lost, nothing may differ.

    python benchmarks/endurance.py [--works 1000] [--kills 20] [--runner local dask] [--seed 0] [--json]

Makes an archive of tiny works of which 5 % are hostile (cut off, empty, bombs, links in circles, masks
of another size …) and odd good ones (names and shapes), restores it once undisturbed, then with the run
killed by SIGKILL at random moments (with Dask: one of its workers), then to the end. Exit code 1 when a
good work is not restored, a bad one is not in quarantine, a source changed, or any byte differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.archive.fixity import tree_sha256  # noqa: E402  the tests' archives are found by the line above
from pipeline.restoration.runs import names  # noqa: E402
from tests.resume import hostile  # noqa: E402

HOSTILE = 0.05  # share of the works
NOT_READ = (
    "nothing.png",
    "loop.png",
    "out.png",
    "circle",
    "forbidden.png",
)  # links, and what nobody may read


def main() -> None:
    """Run what was asked for, print the findings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--works", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runner", nargs="+", choices=["local", "dask"], default=["local", "dask"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        findings = endure(Path(folder), arguments)
    if arguments.json:
        print(json.dumps(findings, indent=1))
    else:
        for name, value in findings.items():
            print(f"{name:46} {value}")
    sys.exit(not findings["all is as it should be"])


def endure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the archive, restore it in all ways, compare."""
    archive = hostile.Archive(folder / "src", folder / "masks")
    bad = round(arguments.works * HOSTILE)
    hostile.add_odd(archive)
    hostile.add_good(archive, arguments.works - bad - len(archive.good))
    hostile.add_hostile(archive, bad)
    before = tree_sha256(archive.source, ignore=NOT_READ)
    findings: dict[str, Any] = {
        "works": len(archive.good) + len(archive.bad),
        "of them hostile": len(archive.bad),
    }
    calm = folder / "calm"
    code, summary = finish(archive, calm, arguments.workers)
    whole = tree_sha256(calm / "data")
    sound = [judge(archive, calm, code, summary)]
    findings["undisturbed: seconds"] = summary["seconds"]
    if "local" in arguments.runner:
        out = folder / "local"
        findings["local: kills that struck"] = kill_often(archive, out, arguments)
        code, summary = finish(archive, out, arguments.workers)
        sound += [judge(archive, out, code, summary), tree_sha256(out / "data") == whole]
        findings["local: known to the last run"] = summary["known"]
        findings["local: same bytes"] = sound[-1]
    if "dask" in arguments.runner:
        out = folder / "dask"
        killed, code, summary = lose_a_dask_worker(archive, out, arguments)
        sound += [killed, judge(archive, out, code, summary), tree_sha256(out / "data") == whole]
        findings["dask: a worker was killed"] = killed
        findings["dask: same bytes"] = sound[-1]
    sound.append(tree_sha256(archive.source, ignore=NOT_READ) == before)
    findings["sources unchanged"] = sound[-1]
    return {**findings, "all is as it should be": all(sound)}


def judge(archive: hostile.Archive, out: Path, code: int, summary: dict[str, Any]) -> bool:
    """Whether every good work is restored and every bad one in quarantine, with the right reason."""
    found = {names.decode(path): reason for path, reason in hostile.reasons(out).items()}
    done = summary["known"] + summary["restored"] + summary["copied"]
    wrong = {
        name: (archive.bad.get(name), found.get(name))
        for name in {*archive.bad, *found}
        if name not in archive.bad or archive.bad[name] not in found.get(name, "\0")
    }
    for name, (expected, reason) in sorted(wrong.items()):
        print(f"{name!r}: expected {expected!r}, found {reason!r}", file=sys.stderr)
    return not wrong and code == 1 and (done, summary["left"]) == (len(archive.good), 0)


def begin(archive: hostile.Archive, out: Path, workers: int, *options: str) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    methods = hostile.methods_file(archive.source.parent)
    masks = ("--masks", str(archive.masks), "--workers", str(workers))
    return hostile.start(archive.source, out, methods, *masks, *options)


def finish(archive: hostile.Archive, out: Path, workers: int) -> tuple[int, dict[str, Any]]:
    """A run to its end: its exit code and its summary."""
    return _end(begin(archive, out, workers))


def kill_often(archive: hostile.Archive, out: Path, arguments: argparse.Namespace) -> int:
    """Kill run after run; how many were killed before they were over."""
    struck = 0
    for target, delay in hostile.moments(len(archive.good), arguments.kills, arguments.seed):
        struck += hostile.run_killed(lambda: begin(archive, out, arguments.workers), out, target, delay * 20)
    return struck


def lose_a_dask_worker(
    archive: hostile.Archive, out: Path, arguments: argparse.Namespace
) -> tuple[bool, int, dict[str, Any]]:
    """A run on a local Dask cluster, one of whose workers is killed on the way."""
    process = begin(archive, out, arguments.workers, "--runner", "dask")
    target = random.Random(arguments.seed).randrange(len(archive.good) // 4, len(archive.good) // 2)
    while hostile.placed(out) < target and process.poll() is None:
        time.sleep(0.01)
    workers = hostile.worker_processes(process.pid)
    if workers:
        os.kill(workers[-1], signal.SIGKILL)
    return bool(workers), *_end(process)


def _end(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    printed, words = process.communicate()
    try:
        return process.returncode, json.loads(printed)
    except ValueError:
        raise SystemExit(f"the run failed:\n{words[-3000:]}") from None


if __name__ == "__main__":
    main()
