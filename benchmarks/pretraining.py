"""What pretraining scripts share: pictures of folders, a loop that ends in time, half-precision weights."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.fixity import file_sha256
from pipeline.archive.images import read_rgb
from pipeline.errors import ItemError
from pipeline.models.registry import build, save_model
from pipeline.progress import say, track
from pipeline.training.loop import Trainer, make_fabric
from pipeline.training.task import Row, Schedule, Task

Pictures = list[NDArray[np.uint8]]


class TimedTrainer(Trainer):
    """The training loop, ended early at a point in time."""

    end = float("inf")

    def _exhausted(self) -> bool:
        return super()._exhausted() or time.monotonic() > self.end


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """The options of every pretraining; `name` is the model's folder in pretrained/."""
    parser.add_argument("--images", nargs="*", type=Path, default=[], metavar="DIR")
    parser.add_argument("--exclude", type=Path, metavar="LIST", help="pictures to leave out")
    parser.add_argument("--epochs", type=int, required=True, help="length of the cosine schedule")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--start-from", metavar="DIR", help="go on from these weights (default: new ones)")
    parser.add_argument("--learning-rate", type=float, help="of AdamW, at first")
    parser.add_argument("--batch-size", type=int, help="crops per update (default: what suits a CPU)")
    parser.add_argument("--per-epoch", type=int, help="examples of an epoch (default: what suits a CPU)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, crops and damage")
    parser.add_argument("--max-side", type=int, default=768, help="pixels (default 768)")
    parser.add_argument("--out", type=Path, default=Path(f"pretrained/{name}"))
    parser.add_argument("--state", type=Path, default=Path(f".state/pretrain_{name}"))
    parser.add_argument("--export-only", action="store_true")


def deadline(arguments: argparse.Namespace) -> float:
    """When to end, on the monotonic clock."""
    return time.monotonic() + (0.0 if arguments.export_only else arguments.minutes * 60)


def fit(
    label: str, task: Task, schedule: Schedule, state: Path, arguments: argparse.Namespace
) -> tuple[nn.Module, list[Row]]:
    """Train to the end or until the time is over: the best network, and all epochs.

    Raises:
        SystemExit: when only an export is asked for, and no epoch has been trained.
    """
    trainer = TimedTrainer(task, schedule, state, make_fabric())
    trainer.end = deadline(arguments)
    best = trainer.fit(f"pretrain {label}")
    if not trainer.history:
        raise SystemExit("--export-only: no epoch has been trained with these arguments")
    return best, trainer.history


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


def save_half(
    folder: Path, network: nn.Module, architecture: str, sizes: dict[str, Any], card: dict[str, Any]
) -> None:
    """Save a network in half precision."""
    half = build(architecture, sizes)
    half.load_state_dict(network.state_dict())
    save_model(folder, half.half(), architecture, sizes, card)
