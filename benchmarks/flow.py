"""What the flow costs over plain `dvc repro`: the same graph, cold and up to date, side by side.

    python benchmarks/flow.py [--json]

Clones this repository's last commit twice into a temporary folder, with the profile `tiny` on the demo
archive. Prints seconds and ratios of one run (about six minutes on two cores).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Time both ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in (
            ("dvc repro", "dvc repro"),
            ("flow, 1 worker", "PENTIMENTO_WORKERS=1 pentimento retrain"),
            ("flow, 2 workers", "PENTIMENTO_WORKERS=2 pentimento retrain"),
        ):
            clone = Path(folder) / name.replace(" ", "-").replace(",", "")
            shell(Path(folder), f"git clone -q {ROOT} {clone}")
            shell(clone, "pentimento profile tiny")
            seconds[f"{name}, cold"] = timed(clone, command)
            seconds[f"{name}, up to date"] = timed(clone, command)
    base = {state: seconds[f"dvc repro, {state}"] for state in ("cold", "up to date")}
    rows = [
        {"run": name, "seconds": round(value, 1), "ratio": round(value / base[name.rsplit(", ", 1)[1]], 2)}
        for name, value in seconds.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'run':<30} {'seconds':>8} {'of dvc repro':>13}")
    for row in rows:
        print(f"{row['run']:<30} {row['seconds']:>8} {row['ratio']:>13}")


def timed(root: Path, command: str) -> float:
    """Seconds of a shell command."""
    started = time.monotonic()
    shell(root, command)
    return time.monotonic() - started


def shell(root: Path, command: str) -> None:
    """Run a shell command with this environment's programs first; its output is shown when it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "-c", command],
        cwd=root,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise SystemExit(f"{command} failed:\n{answer.stdout[-2000:]}\n{answer.stderr[-2000:]}")


if __name__ == "__main__":
    main()
