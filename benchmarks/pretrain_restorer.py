"""Pretrain the restorer's start weights on folders of paintings; stop and go on at will.

    python benchmarks/pretrain_restorer.py --images DIR... --exclude LIST --epochs 80 --minutes 40

Trains on the demo archive's train split (data/prepared) and on the given folders; validates on the
val split. The network and all settings but those given are those of params.yaml, section
train_restorer. A checkpoint is written after every epoch in --state: the same command goes on from
there. --minutes ends the run early, at the end of an epoch; --export-only trains nothing and saves
the best epoch so far. The weights are saved in half precision;
`train_restorer.start_from: pretrained/restorer` then starts from them.

LIST is a text file: one picture's name (with or without its suffix) or folder-relative path a line.
Leave out whatever the model will be measured on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline import paths
from pipeline.archive.fixity import file_sha256, value_sha256
from pipeline.archive.images import SUFFIXES, read_rgb
from pipeline.archive.shards import Shards
from pipeline.errors import ItemError
from pipeline.models.registry import build, save_model
from pipeline.params import load_params
from pipeline.progress import say, track
from pipeline.stages.train_restorer import ARCHITECTURE, Params, first_network, make_task
from pipeline.training.loop import Trainer, make_fabric

Pictures = list[NDArray[np.uint8]]


class TimedTrainer(Trainer):
    """The training loop, ended early at a point in time."""

    end = float("inf")

    def _exhausted(self) -> bool:
        return super()._exhausted() or time.monotonic() > self.end


def main() -> None:
    """Parse the command line, train until the end or until the time is over, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="*", type=Path, default=[], metavar="DIR")
    parser.add_argument("--exclude", type=Path, metavar="LIST", help="pictures to leave out")
    parser.add_argument("--epochs", type=int, required=True, help="length of the cosine schedule")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--start-from", metavar="DIR", help="go on from these weights (default: new ones)")
    parser.add_argument("--learning-rate", type=float, help="default: 0.002")
    parser.add_argument("--seed", type=int, default=0, help="of weights, crops and damage")
    parser.add_argument("--max-side", type=int, default=768, help="pixels (default 768)")
    parser.add_argument("--out", type=Path, default=Path("pretrained/restorer"))
    parser.add_argument("--state", type=Path, default=Path(".state/pretrain_restorer"))
    parser.add_argument("--export-only", action="store_true")
    arguments = parser.parse_args()
    root = paths.project_root()
    params = load_params(root / paths.PARAMS, "train_restorer", Params)
    changes = {"start_from": arguments.start_from, "epochs": arguments.epochs, "patience": 0}
    changes |= {"learning_rate": arguments.learning_rate or 0.002, "seed": arguments.seed}
    params = params.model_copy(update=changes)
    shards = Shards(root / paths.PREPARED)
    extra, used = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    train = [shards[row] for row in shards.rows("train")] + extra
    validation = [shards[row] for row in shards.rows("val")]
    network, sizes, started = first_network(params, root)
    task = make_task(network, params, train, validation)
    recipe = params.model_dump(mode="json", exclude={"start_from"})
    # Checkpoints of other pictures or settings are never gone on with.
    key = value_sha256([recipe, started, arguments.max_side, used, len(train)])[:16]
    trainer = TimedTrainer(task, params, arguments.state / key, make_fabric())
    trainer.end = time.monotonic() if arguments.export_only else _deadline(arguments.minutes)
    best = trainer.fit("pretrain restorer")
    if not trainer.history:
        parser.error("--export-only: no epoch has been trained with these arguments")
    kept = max(trainer.history, key=lambda row: row["val_psnr"])
    card = {
        "start": params.start,
        "purpose": "start weights of the restorer: refines a classical filling of holes",
        "started_from": started,
        "trained_on": {
            "demo_train_works": len(train) - len(extra),
            "works_of_given_folders": len(extra),
            "epochs": len(trainer.history),
        },
        "recipe": recipe,
        "val_psnr": round(kept["val_psnr"], 3),
        "val_psnr_start": round(kept["val_psnr_start"], 3),
        "limits": "invents no motifs: wide holes become smooth; 8-bit sRGB statistics",
    }
    save_half(arguments.out, best, sizes, card)
    size = (arguments.out / "weights.safetensors").stat().st_size / 2**20
    print(
        f"{len(trainer.history)} epochs: {kept['val_psnr']:.2f} dB in the holes of val works, "
        f"{kept['val_psnr_start']:.2f} dB before; {arguments.out}: {size:.2f} MiB"
    )


def excluded(path: Path | None) -> set[str]:
    """The names to leave out, without suffixes."""
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    return {Path(line.strip()).stem for line in lines if line.strip()}


def read_folders(folders: list[Path], leave_out: set[str], side: int) -> tuple[Pictures, list[str]]:
    """Every readable picture of some folders, and the SHA-256 of their files."""
    files = sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.stem not in leave_out
    )
    pictures, used = [], []
    for path in track(files, "reading pictures"):
        try:
            pictures.append(read_rgb(path, side))
            used.append(file_sha256(path))
        except ItemError as error:
            say(f"left out: {path} {error}")
    return pictures, used


def save_half(folder: Path, network: nn.Module, sizes: dict[str, Any], card: dict[str, Any]) -> None:
    """Save a network in half precision."""
    half = build(ARCHITECTURE, sizes)
    half.load_state_dict(network.state_dict())
    save_model(folder, half.half(), ARCHITECTURE, sizes, card)


def _deadline(minutes: float) -> float:
    return time.monotonic() + minutes * 60


if __name__ == "__main__":
    main()
