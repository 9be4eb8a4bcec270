"""SIGKILL at random moments of the data stages and of a download: are the ends byte-identical?

Each stage is run undisturbed as `python -m pipeline STAGE`, then killed at random moments, then left to end;
a run that ended before its moment is judged, too, and the next one begins anew. The download is the stage
`inventory` over a IIIF server on loopback that sends slowly.

    python benchmarks/kill.py --kills 20
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.conftest import painting
from tests.resume.data_kill import STAGES, kill_stage, run_command, settle
from tests.unit.catalog.sources.iiif_server import Server


def main() -> int:
    """Print a table; 0 when all ends were identical."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, help="of each stage")
    parser.add_argument("--works", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    faults = 0
    print("| what | kills | runs | undisturbed, s | outputs that differed |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what, found in killed(Path(folder), arguments.works, arguments.kills, rng):
            faults += len(found["differs"])
            differs = ", ".join(found["differs"]) or "none"
            print(
                f"| {what} | {found['kills']} | {found['runs']} | {found['seconds']} | {differs} |",
                flush=True,
            )
    return 1 if faults else 0


def killed(folder: Path, works: int, kills: int, rng: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was killed, and what was found."""
    archive = folder / "archive"
    for number in range(works):
        file = archive / ("Dutch", "French")[number % 2] / f"work{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(painting(number)).save(file)
    settle(folder / "project", {"kind": "folder", "location": str(archive), "labels": ["school"]})
    for stage in STAGES:
        yield stage, kill_stage(run_command, folder / "project", stage, kills, rng)
    with Server() as server:
        services = [server.image(f"work-{number}", number, side=256) for number in range(works)]
        location = server.manifest3("archive", *services)
        server.pause = 0.005
        http = {"requests_per_second": 1000, "backoff": 0.01}
        settle(folder / "download", {"kind": "iiif", "location": location, "http": http})
        yield "download (iiif)", kill_stage(run_command, folder / "download", "inventory", kills, rng)


if __name__ == "__main__":
    sys.exit(main())
